// SPDX-License-Identifier: BSD-2-Clause
// What a user asks of a scan, checked; made by the command line (or a job), taken by run_scan().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/dscp.hpp"
#include "base/service.hpp"
#include "registry/registry.hpp"
#include "taps/taps.hpp"

namespace ksms {

struct ScanRequest {
    Address source, destination;    ///< of one family
    std::vector<Service> services;  ///< in the order asked, each once, at least one
    /// That were sent already, by an earlier round or scan of the same job: what rules remember of
    /// them meets these.
    std::vector<Service> sent_before{};
    std::string source_netns;          ///< --source-netns; "": whoever owns the source
    std::vector<std::string> routers;  ///< --router; empty: those on the path
    bool all_netns{false};             ///< --all-netns: other users' namespaces take part too
    bool entry_only{false};
    bool classes{false};   ///< --classes: services that no rule tells apart share probes
    bool isolated{false};  ///< --mode isolated
    std::optional<bool> assume_next_hop;           ///< --next-hop; none: as the mode has it
    std::vector<std::string> inject;               ///< --inject ROUTER:INTERFACE; isolated only
    TapHooks tap{TapHooks::tc};                    ///< --tap
    nanoseconds timeout{std::chrono::seconds(1)};  ///< after a probe was last sent
    nanoseconds deadline{0};                       ///< for the whole scan; 0: none
    std::uint32_t retries{3};
    std::uint64_t rate_pps{0};  ///< packets a second; 0: unlimited
    std::string job;            ///< "": made up
    std::optional<std::uint8_t> dscp;
    std::string user;                            ///< "": the caller's
    nanoseconds wait{std::chrono::seconds(30)};  ///< for a DSCP
    RegistryLimits limits{};
    AttachWay way{AttachWay::automatic};
    bool gentle{false};  ///< send nothing that a firewall would hold against the source
    std::optional<std::uint8_t> as_dscp;  ///< that the packets have which are asked about
    bool drops{true};  ///< false: as on a kernel that does not say why it drops packets
    /// Is a gateway that nobody answers for judged by the router's firewall and routes alone?
    [[nodiscard]] bool assumes_next_hop() const { return assume_next_hop.value_or(isolated); }
    /// Of the packets that are asked about.
    [[nodiscard]] Dscp traffic_dscp() const { return Dscp(as_dscp.value_or(0)); }
    std::optional<std::uint32_t> sudo_uid;  ///< who called sudo(8): leases of his are ours
};

/// Of a scan that started then.
[[nodiscard]] inline Instant deadline_of(const ScanRequest& request, Instant started) {
    return request.deadline == nanoseconds(0) ? kNever : started + request.deadline;
}

}  // namespace ksms
