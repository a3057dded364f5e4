// SPDX-License-Identifier: BSD-2-Clause
// A probe that left a router by a way that the plan does not know. Who is behind that router is
// asked for, and if it is one without taps the scan must look again.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "judge/network_question.hpp"
#include "judge/plan.hpp"
#include "os/netlink.hpp"
#include "route/network.hpp"
#include "route/request.hpp"

namespace ksms {

/// How a probe left a router, as a question to that router.
[[nodiscard]] RouteQuestion question_behind(const ScanRequest& request, std::uint16_t source_port,
                                            const Departure& departure);

struct Detour {
    ino_t netns{0};  ///< inode of the router's namespace
    std::uint32_t egress{0};
    RouteQuestion question;  ///< the packet as it left; iif: where it had come in
};

/// After a round: what its probes tell of ways that nobody knew.
class DetourLook {
public:
    /// @param known  those that `plan` was made with
    DetourLook(Network& network, const Plan& plan, const ScanRequest& request,
               std::uint16_t source_port, const std::vector<Detour>& known);
    /// Did it leave for a router that no tap was on?
    Result<bool> leads_to_unwatched(const Departure& departure);
    /// For the next round's plan.
    [[nodiscard]] std::vector<Detour> take() { return std::move(found_); }

private:
    /// Where it left, and what routes may look at.
    using Key = std::tuple<ino_t, std::uint32_t, std::uint32_t, Address, std::uint8_t, std::uint8_t,
                           std::uint16_t>;
    Key key_of(const Detour& detour);
    bool routed_by_port();
    Result<bool> look(const Detour& detour);

    Network& network_;
    const Plan& plan_;
    const ScanRequest& request_;
    std::uint16_t source_port_;
    const std::vector<Detour>& known_;
    std::optional<bool> by_port_;  ///< some namespace has a rule that looks at ports
    std::map<Key, bool> looked_up_;
    std::vector<Detour> found_;
};

/// The number of a namespace in the network; one that is gone meanwhile is Code::not_found.
Result<std::size_t> number_of(Network& network, ino_t inode);

}  // namespace ksms
