// SPDX-License-Identifier: BSD-2-Clause
#include "judge/walk.hpp"

#include <algorithm>

#include "judge/network_question.hpp"

namespace ksms {
namespace {

bool holds(const std::vector<std::size_t>& routers, std::size_t router) {
    return std::ranges::find(routers, router) != routers.end();
}

const PlanHop* predicted(const PlanPath& path, std::size_t router) {
    const auto hop = std::ranges::find(path.hops, router, &PlanHop::router);
    return hop == path.hops.end() ? nullptr : &*hop;
}

/// @param planned  its name is known also where no tap is on it
PlanInterface named(const PlanRouter& router, std::uint32_t ifindex, const PlanInterface& planned) {
    if (planned.ifindex == ifindex) return planned;
    const auto found = std::ranges::find(router.interfaces, ifindex, &PlanInterface::ifindex);
    return found == router.interfaces.end() ? PlanInterface{ifindex, ""} : *found;
}

WalkStep step(const Plan& plan, const PlanPath& path, const ProbeEvidence& evidence,
              std::size_t router) {
    WalkStep result{router, {}, {}, plan.routers[router].owns_destination};
    if (const auto* hop = predicted(path, router)) {
        result.ingress = hop->ingress;
        result.egress = hop->egress;
        result.local = hop->local;
    }
    const auto& seen = evidence.routers[router];
    if (seen.in.packets > 0)
        result.ingress = named(plan.routers[router], seen.in.ifindex, result.ingress);
    if (seen.out.packets > 0)
        result.egress = named(plan.routers[router], seen.out.ifindex, result.egress);
    return result;
}

std::vector<std::size_t> in_order_of_sight(const ProbeEvidence& evidence) {
    std::vector<std::size_t> seen;
    for (std::size_t router = 0; router < evidence.routers.size(); ++router)
        if (evidence.routers[router].touched()) seen.push_back(router);
    std::ranges::stable_sort(
        seen, {}, [&](std::size_t router) { return evidence.routers[router].first_touch(); });
    return seen;
}

const std::vector<std::size_t>& candidates(const Plan& plan, std::size_t router,
                                           std::uint32_t egress) {
    static const std::vector<std::size_t> none;
    const auto found = plan.next.find({router, egress});
    return found == plan.next.end() ? none : found->second;
}

/// The probe left `from`, was not seen at the predicted `skipped`, and was seen later at `to`: was
/// it led past it?
bool led_past(const Plan& plan, const PlanPath& path, const ProbeEvidence& evidence,
              std::size_t from, std::size_t to) {
    const auto& out = evidence.routers[from].out;
    const auto* hop = predicted(path, from);
    if (out.packets == 0 || hop == nullptr) return false;
    return out.ifindex != hop->egress.ifindex || holds(candidates(plan, from, out.ifindex), to);
}

/// Every router that saw it was predicted: those of the prediction up to the last that saw it,
/// without those that it was led past.
std::vector<std::size_t> along_prediction(const Plan& plan, std::size_t entry, const PlanPath& path,
                                          const ProbeEvidence& evidence) {
    std::vector<std::size_t> order, unseen;
    for (const auto& hop : path.hops) {
        // In a loop it comes back to one that has its place already.
        if (holds(order, hop.router) || holds(unseen, hop.router)) continue;
        if (!evidence.routers[hop.router].touched()) {
            unseen.push_back(hop.router);
            continue;
        }
        const bool past = order.empty()
                              ? entry < plan.first.size() && holds(plan.first[entry], hop.router)
                              : led_past(plan, path, evidence, order.back(), hop.router);
        if (!past) order.insert(order.end(), unseen.begin(), unseen.end());
        unseen.clear();
        order.push_back(hop.router);
    }
    return order;
}

/// What must follow the last router that saw it, by the way it left there.
void add_unseen_tail(const Plan& plan, const PlanPath& path, const ProbeEvidence& evidence,
                     std::vector<std::size_t>& order) {
    auto rest = path.hops.begin();
    if (!order.empty()) {
        const auto last = order.back();
        const auto& out = evidence.routers[last].out;
        rest = std::ranges::find(path.hops, last, &PlanHop::router);
        const bool as_predicted =
            rest != path.hops.end() && (out.packets == 0 || rest->egress.ifindex == out.ifindex);
        if (as_predicted) {
            ++rest;
        } else {
            const auto& next = candidates(plan, last, out.ifindex);
            rest = std::ranges::find_if(
                path.hops, [&](const PlanHop& hop) { return holds(next, hop.router); });
            if (rest == path.hops.end() && next.size() == 1 && !holds(order, next.front()))
                order.push_back(next.front());
        }
    }
    for (; rest != path.hops.end(); ++rest)
        if (!holds(order, rest->router)) order.push_back(rest->router);
}

}  // namespace

std::string_view egress_name(const Plan& plan, const PlanPath& path, const WalkStep& step) {
    for (const auto& hop : path.hops)
        if (hop.router == step.router && hop.egress.ifindex == step.egress.ifindex)
            return hop.egress.name;
    const auto& all = plan.routers[step.router].interfaces;
    const auto by = std::ranges::find(all, step.egress.ifindex, &PlanInterface::ifindex);
    return by == all.end() ? std::string_view() : std::string_view(by->name);
}

bool has_gap(const Plan& plan, const PlanPath& path, const ProbeEvidence& evidence,
             const WalkStep& from, const WalkStep& to) {
    const auto& seen = evidence.routers[from.router];
    return seen.out.packets > 0 && evidence.routers[to.router].touched() &&
           !left_as_planned(path, from.router, seen) &&
           !holds(candidates(plan, from.router, seen.out.ifindex), to.router);
}

bool seen_beside(const ProbeEvidence& evidence, std::size_t router) {
    for (std::size_t i = 0; i < evidence.routers.size(); ++i)
        if (i != router && evidence.routers[i].saw()) return true;
    return false;
}

std::vector<WalkStep> walk(const Plan& plan, std::size_t entry, const PlanPath& path,
                           const ProbeEvidence& evidence) {
    if (plan.isolated) {  // the routers behind have probes of their own
        if (path.hops.empty()) return {};
        return {step(plan, path, evidence, path.hops.front().router)};
    }
    auto order = in_order_of_sight(evidence);
    const bool as_predicted = std::ranges::all_of(
        order, [&](std::size_t router) { return predicted(path, router) != nullptr; });
    if (as_predicted) order = along_prediction(plan, entry, path, evidence);
    add_unseen_tail(plan, path, evidence, order);
    std::vector<WalkStep> steps;
    steps.reserve(order.size());
    for (const auto router : order) steps.push_back(step(plan, path, evidence, router));
    return steps;
}

}  // namespace ksms
