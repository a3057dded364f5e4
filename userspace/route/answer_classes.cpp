// SPDX-License-Identifier: BSD-2-Clause
// Which services have one answer: reads what every namespace on the way asks about ports, and finds
// out what else could tell one from another.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>

#include "route/classes.hpp"
#include "route/plan_parts.hpp"

namespace ksms {
namespace {

/// Kinds of interfaces that treat all ports alike. Others hash ports (bond, team, the source port
/// of a tunnel) or ask a program (tun, Open vSwitch).
constexpr std::string_view kPortless[] = {"",      "veth",    "bridge", "vlan", "vrf",
                                          "dummy", "macvlan", "ipvlan", "ifb"};

class AnswerSurvey {
public:
    AnswerSurvey(Network& network, const ScanRequest& request, const Plan& plan)
        : network_(network), request_(request), plan_(plan), classes_(request.services) {}

    AnswerClasses run() {
        AnswerClasses result;
        result.each_alone = whole_plan();
        for (const auto& netns : namespaces_of(plan_)) {
            if (!result.each_alone.empty()) break;
            const auto why = look_at(netns.number());
            if (!why)
                result.each_alone = why.error().text();
            else if (!why->empty())
                result.each_alone = netns.name() + ": " + *why;
        }
        if (result.each_alone.empty()) {
            result.class_of = by_path(classes_.classes());
        } else {
            result.class_of.resize(request_.services.size());
            std::iota(result.class_of.begin(), result.class_of.end(), 0U);
        }
        return result;
    }

private:
    /// What the plan says of all.
    [[nodiscard]] std::string whole_plan() const {
        const auto program = network_.foreign_program(!plan_.isolated);
        if (!program) return program.error().text();
        if (!program->empty()) return *program + " may tell ports apart";
        if (plan_.sorted) return "a filter or a program on the way may tell ports apart";
        if (network_.encapsulates()) return "a route on the way puts packets into others";
        const bool remembers =
            plan_.remembers_before || !plan_.remembered.empty() || !plan_.changing.empty() ||
            std::ranges::any_of(plan_.routers,
                                [](const auto& router) { return !router.memories.empty(); });
        return remembers ? "a rule on the way answers by the packets before" : "";
    }

    /// @return why ports may be told apart there; "": the rules that were read say it
    Result<std::string> look_at(std::size_t number) {
        KSMS_TRY(const auto* interfaces, network_.interfaces(number));
        for (const auto& link : interfaces->links)
            if (link.up && std::ranges::find(kPortless, link.kind) == std::end(kPortless))
                return fmt::format("{} ({}) may tell ports apart", link.name, link.kind);
        KSMS_TRY(const bool several, network_.has_several_ways(number, request_.source.family));
        if (several) return std::string("a route with several next hops may choose by port");
        KSMS_TRY(const auto* routing, network_.rules(number, request_.source.family));
        classes_.refine(*routing);
        KSMS_TRY(const auto rules, network_.port_rules(number, request_.source.family));
        classes_.refine(rules.questions);
        return rules.unread.empty() ? std::string() : rules.unread + " may tell ports apart";
    }

    /// Services of one class take one way; if the plan knows better, they are none.
    [[nodiscard]] std::vector<std::uint32_t> by_path(const std::vector<std::uint32_t>& of) const {
        std::map<std::pair<std::uint32_t, std::vector<std::uint32_t>>, std::uint32_t> numbers;
        std::vector<std::uint32_t> result, paths(plan_.entries.size());
        result.reserve(of.size());
        for (std::size_t i = 0; i < of.size(); ++i) {
            for (std::size_t entry = 0; entry < paths.size(); ++entry)
                paths[entry] = plan_.path_of[plan_.numbers().probe(entry, i)];
            const auto next = static_cast<std::uint32_t>(numbers.size());
            result.push_back(numbers.try_emplace({of[i], paths}, next).first->second);
        }
        return result;
    }

    Network& network_;
    const ScanRequest& request_;
    const Plan& plan_;
    ServiceClasses classes_;
};

}  // namespace

AnswerClasses classes_on_the_way(Network& network, const ScanRequest& request, const Plan& plan) {
    return AnswerSurvey(network, request, plan).run();
}

}  // namespace ksms
