// SPDX-License-Identifier: BSD-2-Clause
#include "route/detour.hpp"

#include <algorithm>
#include <ranges>

#include "route/tracer.hpp"

namespace ksms {
namespace {

/// Where a planned way ends with the probe in somebody's hands.
bool hands_over(PathEnd end) {
    return end == PathEnd::destination || end == PathEnd::leaves_machine ||
           end == PathEnd::no_next_hop || end == PathEnd::link_down || end == PathEnd::onward;
}

bool same(const Detour& a, const Detour& b) {
    return a.netns == b.netns && a.egress == b.egress && a.question.iif == b.question.iif &&
           a.question.destination == b.question.destination &&
           a.question.protocol == b.question.protocol;
}

}  // namespace

RouteQuestion question_behind(const ScanRequest& request, const Service& service,
                              std::uint16_t source_port, const RouterEvidence& seen) {
    const bool translated = seen.out.destination_translated;
    RouteQuestion question;
    question.source = request.source;
    question.destination = translated ? seen.out.destination : request.destination;
    question.destination_port = translated ? seen.out.destination_port : service.port;
    question.source_port = source_port;
    question.protocol = service.protocol;
    question.iif = seen.in.ifindex;
    question.tos = static_cast<std::uint8_t>(seen.in.seen_dscp << 2);
    return question;
}

Result<std::size_t> number_of(Network& network, ino_t inode) {
    for (std::size_t number = 0; number < network.size(); ++number)
        if (network.netns(number).inode() == inode) return number;
    return fail(Code::not_found, "a router's namespace is gone");
}

DetourWatch::DetourWatch(Network& network, const Plan& plan, const ScanRequest& request,
                         std::uint8_t tos, std::uint16_t source_port,
                         const std::vector<Detour>& known)
    : network_(network),
      plan_(plan),
      request_(request),
      tos_(tos),
      source_port_(source_port),
      known_(known) {}

bool DetourWatch::as_planned(std::size_t probe, std::size_t router,
                             const RouterEvidence& seen) const {
    const auto& path = plan_.paths[plan_.path_of[probe]];
    if (seen.out.destination_translated || path.hops.empty() || !hands_over(path.end)) return false;
    return path.hops.back().router == router && path.hops.back().egress.ifindex == seen.out.ifindex;
}

Detour DetourWatch::detour_of(std::size_t probe, std::size_t router,
                              const RouterEvidence& seen) const {
    const auto& service = request_.services[probe % plan_.services()];
    Detour detour;
    detour.netns = plan_.routers[router].netns.inode();
    detour.egress = seen.out.ifindex;
    detour.question = question_behind(request_, service, source_port_, seen);
    if (seen.in.packets == 0) detour.question.tos = tos_;
    return detour;
}

bool DetourWatch::was_known(const Detour& detour) const {
    return std::ranges::any_of(known_, [&](const Detour& each) { return same(each, detour); });
}

Result<bool> DetourWatch::leads_to_unwatched(const Detour& detour) {
    KSMS_TRY(const auto from, number_of(network_, detour.netns));
    Tracer tracer(network_, request_.source, request_.destination, tos_, source_port_);
    KSMS_CHECK(tracer.explore_detour(from, detour));
    for (const auto number : tracer.routers()) {
        const auto inode = network_.netns(number).inode();
        if (std::ranges::none_of(plan_.routers, [inode](const PlanRouter& router) {
                return router.netns.inode() == inode;
            }))
            return true;
    }
    return false;
}

Result<bool> DetourWatch::leads_astray(std::size_t probe, const ProbeVerdict& verdict,
                                       const ProbeEvidence& evidence) {
    if (plan_.isolated || verdict.result == Verdict::no) return false;
    const auto last =
        std::ranges::find_if(std::ranges::reverse_view(verdict.walk), [](const auto& row) {
            return row.answer.ingress_packets > 0 || row.answer.egress_packets > 0;
        });
    if (last == std::ranges::reverse_view(verdict.walk).end()) return false;
    const auto& seen = evidence.routers[last->router];
    if (seen.out.packets == 0 || as_planned(probe, last->router, seen)) return false;
    const auto detour = detour_of(probe, last->router, seen);
    const Key key{last->router, detour.egress, detour.question.iif, detour.question.destination,
                  detour.question.protocol};
    if (const auto known = looked_up_.find(key); known != looked_up_.end()) return known->second;
    KSMS_TRY(const bool unwatched, leads_to_unwatched(detour));
    if (unwatched && !was_known(detour)) found_.push_back(detour);
    return looked_up_[key] = unwatched;
}

void not_watched(ProbeVerdict& verdict) {
    verdict.result = Verdict::unknown;
    verdict.cause = {};
    verdict.cause.why = Why::unwatched;
}

}  // namespace ksms
