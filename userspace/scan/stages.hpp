// SPDX-License-Identifier: BSD-2-Clause
// The stages of a scan. Each takes what those before it have made and returns what it adds:
//
//     plan -> lease -> plan for its DSCP -> taps -> probes -> verdicts
//
// Where probes went on to routers without taps, all but the lease is done again in another round.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "evidence/collector.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "guard/guard.hpp"
#include "judge/plan.hpp"
#include "judge/report.hpp"
#include "probe/neighbour_resolver.hpp"
#include "registry/registry.hpp"
#include "retry/close_look.hpp"
#include "retry/retry.hpp"
#include "route/detour.hpp"
#include "route/network.hpp"
#include "route/request.hpp"
#include "scan/lease.hpp"
#include "scan/scan.hpp"
#include "taps/taps.hpp"
#include "taps/traffic.hpp"

namespace ksms {

/// What every stage of a round may use.
struct Round {
    const Objects& objects;
    Guard& guard;
    const ScanRequest& request;
    const ScanHooks& hooks;
    const Registry& registry;
    const std::vector<Detour>& detours;  ///< what earlier rounds have seen
    Instant started;

    void tell(const char* stage, std::size_t probes, std::size_t sent = 0,
              std::size_t accounted = 0) const;
    /// Source ports go round, so that one scan's connections are not another's.
    [[nodiscard]] std::uint16_t next_source_port() const;
};

struct Planned {
    std::unique_ptr<Network> network;
    Plan plan;
    std::uint16_t source_port{0};  ///< that the routes were asked with
    std::uint8_t carried{0};       ///< the DSCP that probes carry
};
/// @param network  that an earlier plan was made of; none: it is looked at now
Result<Planned> plan_round(const Round& round, std::unique_ptr<Network> network = {});
/// Probes carry the mark, unless a rule on the way looks at it: then they carry what the packets
/// have that are asked about, and are known by their tokens.
Result<Planned> plan_for_dscp(const Round& round, Planned planned, std::uint8_t dscp);

Result<ScanLease> lease_for(const Round& round, const Plan& plan);

/// Begins the arrays for what will be counted, which are made while taps are attached.
Result<ScanArrays> begin_arrays(const Round& round, const Plan& plan, const ScanLease& lease,
                                const StoreSlots& slots);

/// Gone, it lets its links go; filters are the guard's to undo.
struct Tapped {
    StoreSlots slots;
    std::unique_ptr<Traffic> traffic;  ///< before the taps, which look at it
    ScanTaps routers, hosts;
    Fd drops;  ///< none: nobody tells why packets are dropped
    std::vector<std::string> warnings;
};
/// @param slots  of the plan
Result<Tapped> attach_taps(const Round& round, const Planned& planned, StoreSlots slots,
                           std::uint8_t dscp);

struct Probed {
    ScanStore store;
    std::vector<NeighbourState> neighbours;  ///< of plan.neighbours
    SendRecord sent;
    CloserEvidence closer;  ///< of probes whose counters prove nothing
};
Result<Probed> probe_services(const Round& round, const Planned& planned, const ScanLease& lease,
                              ScanArrays arrays, const Tapped& tapped, KernelNames& names);

struct Judged {
    Report report;
    std::vector<Detour> detours;  ///< ways that nobody knew: routers behind them had no taps
    bool cut_short{false};        ///< by a signal or the deadline
};
Result<Judged> judge_probes(const Round& round, const Planned& planned, const ScanLease& lease,
                            const Tapped& tapped, const Probed& probed, KernelNames& names);

}  // namespace ksms
