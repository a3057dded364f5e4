// SPDX-License-Identifier: BSD-2-Clause
// What a user asks of a scan, checked; made by the command line (or a job), taken by run_scan().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/service.hpp"
#include "registry/registry.hpp"
#include "taps/taps.hpp"

namespace ksms {

struct ScanRequest {
    Address source, destination;       ///< of one family
    std::vector<Service> services;     ///< in the order asked, each once, at least one
    std::string source_netns;          ///< --source-netns; "": whoever owns the source
    std::vector<std::string> routers;  ///< --router; empty: those on the path
    bool all_netns{false};             ///< --all-netns: other users' namespaces take part too
    bool entry_only{false};
    bool isolated{false};             ///< --mode isolated
    std::vector<std::string> inject;  ///< --inject ROUTER:INTERFACE; isolated only
    TapHooks hooks{TapHooks::tc};
    std::uint64_t timeout_ns{1'000'000'000};  ///< after a probe was last sent
    std::uint64_t deadline_ns{0};             ///< for the whole scan; 0: none
    std::uint32_t retries{3};
    std::uint64_t rate_pps{0};  ///< 0: unlimited
    std::string job;            ///< "": made up
    std::optional<std::uint8_t> dscp;
    std::string user;  ///< "": the caller's
    std::uint64_t wait_ns{30'000'000'000};
    RegistryLimits limits{};
    AttachWay way{AttachWay::automatic};
};

}  // namespace ksms
