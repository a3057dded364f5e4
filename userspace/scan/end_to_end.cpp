// SPDX-License-Identifier: BSD-2-Clause
#include "scan/end_to_end.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "scan/changes.hpp"
#include "scan/delivery.hpp"

namespace ksms {
namespace {

void add_why(ProbeVerdict& verdict, const std::string& more) {
    if (more.empty()) return;
    verdict.why += (verdict.why.empty() ? "" : "; ") + more;
}

/// What a YES has to tell: it was translated or remarked on its way.
void tell_changes(const Plan& plan, ProbeVerdict& verdict) {
    for (const auto& row : verdict.walk)
        for (const auto& text : row.answer.notes)
            add_why(verdict, change_text(plan.routers[row.router].netns.name(), text));
}

void result_of(const Plan& plan, const PlanPath& path, ProbeVerdict& verdict) {
    const auto& rows = verdict.walk;  // also those of routers that nobody asked for
    const auto first = [&](Verdict wanted) {
        return std::ranges::find_if(
            rows, [wanted](const auto& row) { return row.answer.result == wanted; });
    };
    if (rows.empty()) {
        verdict.result = Verdict::unknown;
        verdict.reason = "not_sent:" + path.detail;
        verdict.why = path.detail;
    } else if (const auto no = first(Verdict::no); no != rows.end()) {
        verdict.result = Verdict::no;
        verdict.stopped_at = plan.routers[no->router].netns.name();
    } else if (const auto unknown = first(Verdict::unknown); unknown != rows.end()) {
        verdict.result = Verdict::unknown;
        verdict.reason = unknown->answer.reason;
    } else {
        verdict.result = Verdict::yes;
        tell_changes(plan, verdict);
    }
}

/// It came to the host that owns the destination. What that does with it is no router's affair, but
/// worth telling.
void at_destination(const Plan& plan, const ProbeEvidence& evidence, bool drops_seen,
                    ProbeVerdict& verdict) {
    const auto& drop = evidence.destination_drop;
    const auto& sent_back = evidence.destination_answer;
    const auto delivery = delivery_of(evidence.destination, drop, sent_back, drops_seen);
    verdict.reached = delivery != Delivery::refused;
    verdict.reached_why = delivery_text(delivery, drop, sent_back);
    if (delivery != Delivery::refused) return;
    const auto host = evidence.destination_host;
    const auto who = host < plan.destination_hosts.size() ? plan.destination_hosts[host].name()
                                                          : std::string("the destination");
    verdict.reached_why = fmt::format("{} itself dropped it: {}", who, verdict.reached_why);
    if (verdict.result == Verdict::yes) add_why(verdict, verdict.reached_why);
}

}  // namespace

void end_to_end(const Plan& plan, std::size_t probe, const ProbeEvidence& evidence,
                const JudgeContext& context, const std::string& delivered, ProbeVerdict& verdict) {
    const auto& path = plan.paths[plan.path_of[probe]];
    result_of(plan, path, verdict);
    if (evidence.sent - evidence.tried_again > 1) verdict.notes.emplace_back("retransmitted");
    if (probe < plan.dscp_routed.size() && plan.dscp_routed[probe])
        verdict.notes.emplace_back("dscp-routed");
    const bool at_router =
        !verdict.walk.empty() &&
        (path.end == PathEnd::local || plan.routers[verdict.walk.back().router].owns_destination);
    if (at_router) {
        verdict.reached = verdict.result == Verdict::yes;
        verdict.reached_why = delivered.empty() ? verdict.why : delivered;
    } else if (evidence.destination.packets > 0 || evidence.destination_drop.count > 0) {
        at_destination(plan, evidence, context.drops_seen, verdict);
    } else if (!plan.destination_hosts.empty()) {
        verdict.reached = false;
    }
}

}  // namespace ksms
