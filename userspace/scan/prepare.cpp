// SPDX-License-Identifier: BSD-2-Clause
// The stages before the first probe.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/dscp.hpp"
#include "bpf/attach.hpp"
#include "route/firewall_survey.hpp"
#include "route/planner.hpp"
#include "scan/stages.hpp"

namespace ksms {
namespace {

/// Without it the scan works, only slower: every NO waits for its timeout.
Fd attach_drops(const Round& round, std::uint8_t dscp, std::vector<std::string>& warnings) {
    const int program = round.objects.program(Program::drop);
    if (program < 0 || !round.request.drops) {
        warnings.push_back(fmt::format(
            "drop reasons are off ({}): no reasons, and every NO takes the timeout",
            program < 0 ? "this kernel does not say why it drops packets" : "KSMS_DROPS"));
        return {};
    }
    auto link = attach_tracing(program, dscp);
    if (link) return std::move(*link);
    warnings.push_back("drop reasons are off: " + link.error().text());
    return {};
}

/// What the plan has read of the links is where watching them begins.
void know_traffic(const Planned& planned, Traffic& traffic) {
    const auto know = [&](const PlanNetns& netns) {
        const auto interfaces = planned.network->interfaces(netns.number());
        if (interfaces && (*interfaces)->read != Instant{})
            traffic.know(planned.network->netns(netns.number()), (*interfaces)->links,
                         (*interfaces)->read);
    };
    for (const auto& router : planned.plan.routers) know(router.netns);
    for (const auto& entry : planned.plan.entries) know(entry.netns);
    for (const auto& host : planned.plan.destination_hosts) know(host);
}

}  // namespace

void Round::tell(const char* stage, std::size_t probes, std::size_t sent,
                 std::size_t accounted) const {
    if (hooks.progress) hooks.progress({stage, sent, accounted, probes, monotonic() - started, {}});
}

std::uint16_t Round::next_source_port() const {
    auto& config = objects.config.values()[0];
    const auto number = __atomic_fetch_add(&config.next_source_port, 1u, __ATOMIC_RELAXED);
    // Room for the ports of all entries, which other scans of the same source must not have.
    constexpr auto rows = kSourcePorts / KSMS_MAX_ENTRIES;
    return static_cast<std::uint16_t>(kFirstSourcePort + number % rows * KSMS_MAX_ENTRIES +
                                      number / rows % KSMS_MAX_ENTRIES);
}

Result<Planned> plan_round(const Round& round, std::unique_ptr<Network> network) {
    round.tell("plan", 0);
    Planned planned;
    planned.network = std::move(network);
    if (!planned.network) {
        KSMS_TRY(planned.network, kernel_network(true, round.request));
    }
    planned.source_port = round.next_source_port();
    KSMS_TRY(planned.plan,
             make_plan(*planned.network, round.request, round.request.traffic_dscp().tos(),
                       planned.source_port, round.detours));
    survey_firewalls(*planned.network, round.request, planned.plan);
    return planned;
}

Result<Planned> plan_for_dscp(const Round& round, Planned planned, std::uint8_t dscp) {
    auto& plan = planned.plan;
    const auto as = round.request.traffic_dscp().value();
    const bool by_rule = ((plan.routed_dscps >> dscp | plan.routed_dscps >> as) & 1) != 0;
    // Who names one may know of a program that looks at it.
    bool looked_at =
        by_rule || plan.sorted || !plan.dscp_filtered.empty() || round.request.as_dscp.has_value();
    // A route with a TOS, which IPv4 has, shows only in the answer.
    if (by_rule || (!looked_at && round.request.source.family == AF_INET)) {
        const auto marked = make_plan(*planned.network, round.request, Dscp(dscp).tos(),
                                      planned.source_port, round.detours);
        looked_at |= !marked || note_dscp_routed(*marked, plan);
    }
    planned.carried = looked_at ? as : dscp;
    return planned;
}

Result<ScanLease> lease_for(const Round& round, const Plan& plan) {
    round.tell("lease", plan.path_of.size());
    // A dead scan's DSCP is free at once, its taps are gone a millisecond later.
    const auto avoid = plan.routed_dscps | round.objects.config.values()[0].active_scans;
    // --wait, but the deadline is for the whole scan.
    const nanoseconds left = deadline_of(round.request, round.started) - monotonic();
    const auto wait = std::clamp(left, nanoseconds(0), round.request.wait);
    return ScanLease::take(round.registry, round.guard, round.request, round.hooks, avoid, wait);
}

Result<ScanArrays> begin_arrays(const Round& round, const Plan& plan, const ScanLease& lease,
                                const StoreSlots& slots) {
    return ScanArrays::begin(round.objects, round.guard, lease.dscp(), lease.generation(),
                             static_cast<std::uint32_t>(round.request.services.size()),
                             static_cast<std::uint32_t>(plan.path_of.size()),
                             static_cast<std::uint32_t>(slots.store.size()));
}

Result<Tapped> attach_taps(const Round& round, const Planned& planned, StoreSlots slots,
                           std::uint8_t dscp) {
    round.tell("attach", planned.plan.path_of.size());
    const auto& request = round.request;
    auto traffic = std::make_unique<Traffic>();
    know_traffic(planned, *traffic);
    const int family = request.source.family;
    if (request.tap != TapHooks::netfilter) KSMS_CHECK(traffic->look(slots.routers));
    KSMS_CHECK(traffic->look(slots.hosts));
    KSMS_TRY(auto routers, ScanTaps::attach(round.objects, round.guard, dscp, request.way,
                                            request.tap, family, *traffic, slots.routers));
    KSMS_TRY(auto hosts, ScanTaps::attach(round.objects, round.guard, dscp, request.way,
                                          TapHooks::tc, family, *traffic, slots.hosts));
    slots.stand(routers, hosts);
    std::vector<std::string> warnings;
    auto drops = attach_drops(round, dscp, warnings);
    return Tapped{std::move(slots), std::move(traffic), std::move(routers),
                  std::move(hosts), std::move(drops),   std::move(warnings)};
}

}  // namespace ksms
