// SPDX-License-Identifier: BSD-2-Clause
#include "judge/end_to_end.hpp"

#include <algorithm>

#include "judge/delivery.hpp"

namespace ksms {
namespace {

void result_of(const PlanPath& path, ProbeVerdict& verdict) {
    const auto& rows = verdict.walk;  // also those of routers that nobody asked for
    const auto any = [&](Verdict wanted) {
        return std::ranges::any_of(
            rows, [wanted](const auto& row) { return row.answer.result == wanted; });
    };
    if (rows.empty()) {
        verdict.result = Verdict::unknown;
        verdict.cause.why = Why::no_way;
        verdict.text = path.detail;
    } else if (any(Verdict::no)) {
        verdict.result = Verdict::no;
    } else {
        verdict.result = any(Verdict::unknown) ? Verdict::unknown : Verdict::yes;
    }
}

/// It came to the host that owns the destination. What that does with it is no router's affair, but
/// worth telling.
void at_destination(const Plan& plan, const ProbeEvidence& evidence, bool drops_seen,
                    ProbeVerdict& verdict) {
    const auto& drop = evidence.destination_drop;
    const auto& reply = evidence.destination_reply;
    const auto delivery = delivery_of(evidence.destination, drop, reply, drops_seen);
    verdict.arrival = {
        Arrival::By::host, delivery != Delivery::refused, delivery, site_of(drop), reply, kNoText};
    const auto host = evidence.destination_host;
    verdict.host = host < plan.destination_hosts.size()
                       ? std::string_view(plan.destination_hosts[host].name())
                       : "the destination";
}

}  // namespace

void end_to_end(const Plan& plan, std::size_t probe, const ProbeEvidence& evidence,
                const JudgeContext& context, ProbeVerdict& verdict) {
    const auto& path = plan.paths[plan.path_of[probe]];
    result_of(path, verdict);
    if (evidence.sent - evidence.tried_again - evidence.looked_at > 1)
        verdict.notes.add(Note::retransmitted);
    if (probe < plan.dscp_routed.size() && plan.dscp_routed[probe])
        verdict.notes.add(Note::dscp_routed);
    if (!plan.dscp_filtered.empty() && plan.dscp_filtered[plan.numbers().service(probe)])
        verdict.notes.add(Note::dscp_filtered);
    const bool at_router =
        !verdict.walk.empty() &&
        (path.end == PathEnd::local || plan.routers[verdict.walk.back().router].owns_destination);
    auto& arrival = verdict.arrival;
    if (at_router) {
        if (arrival.by == Arrival::By::nobody) {
            arrival.by = Arrival::By::cause;
            arrival.reached = verdict.result == Verdict::yes;
        }
    } else if (evidence.destination.packets > 0 || evidence.destination_drop.count > 0) {
        at_destination(plan, evidence, context.drops_seen, verdict);
    } else if (!plan.destination_hosts.empty()) {
        arrival = {};
        arrival.by = Arrival::By::elsewhere;
    } else {
        arrival = {};
    }
}

}  // namespace ksms
