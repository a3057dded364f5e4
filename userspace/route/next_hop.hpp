// SPDX-License-Identifier: BSD-2-Clause
// Taps at POST_ROUTING see a packet before anybody knows the address of its next hop. Where nobody
// saw it further on, the router's neighbour table tells whether it can have left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "judge/network_question.hpp"
#include "judge/plan.hpp"
#include "os/netlink.hpp"
#include "route/network.hpp"
#include "route/request.hpp"

namespace ksms {

class NextHopLook {
public:
    NextHopLook(Network& network, const Plan& plan, const ScanRequest& request,
                std::uint16_t source_port)
        : network_(network), plan_(plan), request_(request), source_port_(source_port) {}

    /// Is its next hop one that does not answer for its address? Waits for an answer that is still
    /// to come, kNeighbourPatience in all.
    Result<bool> is_silent(const Departure& departure);

private:
    /// (router, interface), and what its routes may look at.
    using Exit = std::pair<std::size_t, std::uint32_t>;
    using Key =
        std::tuple<Exit, std::uint32_t, Address, std::uint8_t, std::uint16_t, std::uint8_t, bool>;
    Result<bool> all_answer(const Exit& exit);
    Result<Key> key_of(const Departure& departure, const RouteQuestion& question);
    Result<bool> look(const Departure& departure, const RouteQuestion& question);
    Result<bool> certain(std::size_t netns, const Departure& departure,
                         const RouteQuestion& question, const RouteAnswer& answer);
    Result<bool> leads_to(std::size_t netns, const RouteQuestion& question,
                          const Address& neighbour);
    Result<std::vector<Neighbour>> silent(std::size_t router, std::uint32_t egress);

    Network& network_;
    const Plan& plan_;
    const ScanRequest& request_;
    std::uint16_t source_port_;
    std::optional<Instant> deadline_;  ///< none: nothing was waited for yet
    std::map<Exit, bool> all_answer_;
    std::map<Key, bool> known_;
};

}  // namespace ksms
