// SPDX-License-Identifier: BSD-2-Clause
#include "route/firewall_survey.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <string>

namespace ksms {
namespace {

/// Rules with a number of their own; more count as the last one.
constexpr std::size_t kMost = 254;

/// What rules may do that nobody could read.
FirewallRules unread_rules() {
    FirewallRules rules;
    rules.limits.push_back({{}, kUsualInterval, false, "rules that cannot be read"});
    rules.dscp.emplace_back();
    return rules;
}

class Survey {
public:
    Survey(Network& network, const ScanRequest& request, Plan& plan)
        : network_(network), request_(request), plan_(plan) {}

    void run() {
        std::set<std::size_t> read;
        for (auto& router : plan_.routers) {
            auto rules = rules_of(router.netns);
            read.insert(router.netns.number());
            take_memories(rules, router);
            if (request_.gentle) spare(rules, router.netns.name());
            take_synproxies(rules, router);
            router.limits = std::move(rules.limits);
        }
        const auto others = [&](const PlanNetns& netns) {
            if (read.insert(netns.number()).second) take_dscp(rules_of(netns));
        };
        for (const auto& entry : plan_.entries) others(entry.netns);
        for (const auto& segment : plan_.segments) others(segment);
        for (const auto& host : plan_.destination_hosts) others(host);
    }

private:
    FirewallRules rules_of(const PlanNetns& netns) {
        auto rules = network_.firewall(netns.number(), request_.source.family);
        if (rules) return std::move(*rules);
        plan_.warnings.push_back(
            fmt::format("{}: its firewall rules could not be read, so they may limit rates and "
                        "look at the DSCP: {}",
                        netns.name(), rules.error().text()));
        return unread_rules();
    }

    [[nodiscard]] bool is_asked(const ServiceRange& range) const {
        return std::ranges::any_of(request_.services,
                                   [&](const Service& service) { return range.may_have(service); });
    }

    void take_dscp(const FirewallRules& rules) {
        const auto& services = request_.services;
        for (const auto& range : rules.dscp) {
            if (!is_asked(range)) continue;
            plan_.dscp_filtered.resize(services.size());
            for (std::size_t i = 0; i < services.size(); ++i)
                if (range.may_have(services[i])) plan_.dscp_filtered[i] = true;
        }
    }

    /// Rules that take the checksum of our IPv6 SYN for wrong, unless a socket made it.
    void take_synproxies(const FirewallRules& rules, PlanRouter& router) {
        if (request_.source.family != AF_INET6) return;
        const auto number = static_cast<std::size_t>(&router - plan_.routers.data());
        for (const auto& range : rules.synproxy) {
            if (!is_asked(range)) continue;
            if (plan_.isolated) take_memory({range, "", false, true, false, "synproxy"}, router);
            for (auto& path : plan_.paths)
                path.by_socket |=
                    std::ranges::find(path.hops, number, &PlanHop::router) != path.hops.end();
        }
    }

    /// Rules that answer by a list to which a probe may be added.
    void take_memories(const FirewallRules& rules, PlanRouter& router) {
        take_dscp(rules);
        std::set<std::string> filled;
        std::vector<std::string> traps;
        for (const auto& rule : rules.lists) {
            if (!rule.adds || !is_asked(rule.services)) continue;
            filled.insert(rule.list);
            if (!rule.list.empty()) traps.push_back(rule.rule);
        }
        for (const auto& rule : rules.lists)
            if (filled.contains(rule.list)) take_memory(rule, router);
        if (!traps.empty() && !request_.gentle) warn(router.netns.name(), traps);
    }

    void take_memory(const ListRule& rule, PlanRouter& router) {
        if ((!rule.stops && !rule.passes) || !is_asked(rule.services)) return;
        if (router.memories.size() < kMost)
            router.memories.push_back(fmt::format("{} {}", router.netns.name(), rule.rule));
        const auto number = static_cast<std::uint8_t>(router.memories.size());
        if (rule.stops) enter(rule.services, number, router.stopped_by_memory);
        if (rule.passes) enter(rule.services, number, router.passed_by_memory);
    }

    /// The first rule that may concern a service stays.
    void enter(const ServiceRange& range, std::uint8_t number,
               std::vector<std::uint8_t>& numbers) const {
        const auto& services = request_.services;
        numbers.resize(services.size());
        for (std::size_t i = 0; i < services.size(); ++i)
            if (numbers[i] == 0 && range.may_have(services[i])) numbers[i] = number;
    }

    void warn(const std::string& router, const std::vector<std::string>& traps) {
        plan_.warnings.push_back(fmt::format(
            "{}: its firewall remembers who asks for some of these services ({}{}), and the source "
            "is entered; --gentle leaves them out",
            router, traps.front(),
            traps.size() > 1 ? fmt::format(" and {} more", traps.size() - 1) : ""));
    }

    /// Whatever rule would hold a probe against the source.
    void spare(const FirewallRules& rules, const std::string& router) {
        for (const auto& rule : rules.lists)
            if (rule.adds && !rule.list.empty()) spare(rule.services, router, rule.rule);
        for (const auto& limit : rules.limits)
            if (limit.by_source) spare(limit.services, router, limit.rule);
    }

    void spare(const ServiceRange& range, const std::string& router, const std::string& rule) {
        if (!is_asked(range)) return;
        if (plan_.sparing.size() < kMost)
            plan_.sparing.push_back(fmt::format("{} {}", router, rule));
        enter(range, static_cast<std::uint8_t>(plan_.sparing.size()), plan_.spared);
    }

    Network& network_;
    const ScanRequest& request_;
    Plan& plan_;
};

}  // namespace

void survey_firewalls(Network& network, const ScanRequest& request, Plan& plan) {
    Survey(network, request, plan).run();
}

}  // namespace ksms
