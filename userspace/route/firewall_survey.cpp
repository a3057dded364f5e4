// SPDX-License-Identifier: BSD-2-Clause
#include "route/firewall_survey.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <ranges>
#include <set>
#include <string>
#include <utility>

#include "route/plan_parts.hpp"
#include "route/segment.hpp"

namespace ksms {
namespace {

/// Rules with a number of their own; more count as the last one.
constexpr std::size_t kMost = 254;

/// What rules may do that nobody could read.
FirewallRules unread_rules() {
    FirewallRules rules;
    rules.limits.push_back({{}, kUsualInterval, false, true, true, "rules that cannot be read"});
    rules.dscp.emplace_back();
    return rules;
}

class Survey {
public:
    Survey(Network& network, const ScanRequest& request, Plan& plan)
        : network_(network), request_(request), plan_(plan) {}

    void run() {
        read_all();
        note_translations();
        for (auto& [number, read] : rules_) {
            widen(read);
            take_dscp(read.rules);
            take_remembered(read.rules);
            if (request_.gentle)
                spare(read.rules, read.name);
            else
                warn(read.rules, read.name);
        }
        for (auto& router : plan_.routers) {
            const auto& rules = rules_of(router.netns);
            take_memories(rules, router);
            take_synproxies(rules, router);
            router.limits = rules.limits;
        }
        // In isolated mode an entry is a router.
        if (!plan_.isolated)
            for (auto& entry : plan_.entries) {
                entry.limits = rules_of(entry.netns).limits;
                take_changes(entry.netns);
            }
        for (const auto& segment : plan_.segments) {
            const auto& limits = rules_of(segment).limits;
            plan_.segment_limits.insert(plan_.segment_limits.end(), limits.begin(), limits.end());
            take_changes(segment);
        }
    }

private:
    struct Read {
        std::string name;
        FirewallRules rules;
        bool wraps{false};  ///< what carries the packets of a tunnel passes here too
    };

    const FirewallRules& rules_of(const PlanNetns& netns) const {
        return rules_.at(netns.number()).rules;
    }

    void read_all() {
        const int family = request_.source.family;
        for (const auto& netns : namespaces_of(plan_)) {
            // What cannot be looked at may do anything.
            plan_.sorted |= network_.sorts_packets(netns.number()).value_or(true);
            Read found{netns.name(), read_rules(netns, family), wraps(netns)};
            if (found.wraps)
                add_outer(read_rules(netns, family == AF_INET ? AF_INET6 : AF_INET), found.rules);
            rules_.emplace(netns.number(), std::move(found));
        }
    }

    /// Has it a tunnel, or an IPsec policy that encrypts? A route that encapsulates leads past
    /// routers that know nothing of it.
    bool wraps(const PlanNetns& netns) {
        if (network_.encapsulates()) return true;
        const auto interfaces = network_.interfaces(netns.number());
        const auto is_open = [](const Link& link) { return link.up && carries_in_another(link); };
        if (interfaces && std::ranges::any_of((*interfaces)->links, is_open)) return true;
        const auto policies = network_.policies(netns.number());
        return policies && std::ranges::any_of(**policies, [](const IpsecPolicy& policy) {
                   return !policy.blocks;
               });
    }

    /// A tunnel's outer packet is neither TCP nor ICMP.
    static bool may_be_outer(const ServiceRange& range) {
        return range.protocol != IPPROTO_TCP && range.protocol != IPPROTO_ICMP &&
               range.protocol != IPPROTO_ICMPV6;
    }

    /// Rules of the other family, which see nothing but outer packets. Some are of both.
    static void add_outer(const FirewallRules& from, FirewallRules& to) {
        const auto add = [](const auto& rules, auto& known) {
            for (const auto& rule : rules)
                if (may_be_outer(rule.services) && std::ranges::find(known, rule) == known.end())
                    known.push_back(rule);
        };
        add(from.limits, to.limits);
        add(from.lists, to.lists);
        std::ranges::copy_if(from.dscp, std::back_inserter(to.dscp), may_be_outer);
    }

    /// The ports that rules on the way may give each service, one after the other.
    void note_translations() {
        std::vector<PortTranslation> all;
        for (const auto& [number, read] : rules_)
            for (const auto& translation : read.rules.translations)
                if (std::ranges::find(all, translation) == all.end()) all.push_back(translation);
        if (all.empty()) return;
        ports_of_.resize(request_.services.size());
        for (std::size_t i = 0; i < ports_of_.size(); ++i)
            for (bool more = true; more;) {
                more = false;
                for (const auto& [services, to] : all) {
                    auto& ports = ports_of_[i];
                    if (!may_see(services, i) || std::ranges::find(ports, to) != ports.end())
                        continue;
                    ports.push_back(to);
                    more = true;
                }
            }
    }

    /// May a rule for these services see this one, under its port or another that it is given?
    [[nodiscard]] bool may_see(const ServiceRange& range, std::size_t service) const {
        const auto& asked = request_.services[service];
        if (range.may_have(asked)) return true;
        if (ports_of_.empty() || (range.protocol != 0 && range.protocol != asked.protocol))
            return false;
        return std::ranges::any_of(ports_of_[service],
                                   [&](const PortSpan& given) { return range.has_port_of(given); });
    }

    /// May it enter what comes of this service into a list, or take it off? An answer, too: from a
    /// router or the destination, to the probe's own port.
    [[nodiscard]] bool may_remember(const ServiceRange& range, std::size_t service) const {
        return may_see(range, service) || is_of_answers(range, request_.services[service].protocol);
    }

    static bool is_of_answers(const ServiceRange& range, std::uint8_t protocol) {
        constexpr PortSpan ours{kFirstSourcePort, 65535};
        return range.protocol == IPPROTO_ICMP || range.protocol == IPPROTO_ICMPV6 ||
               (range.protocol == protocol && range.has_port_of(ours));
    }

    [[nodiscard]] bool may_remember_any(const ServiceRange& range) const {
        return any_service([&](std::size_t service) { return may_remember(range, service); });
    }

    template <typename Concerns>
    [[nodiscard]] bool any_service(Concerns concerns) const {
        return std::ranges::any_of(std::views::iota(std::size_t{0}, request_.services.size()),
                                   concerns);
    }

    /// In a tunnel a service may meet rules for what carries it. Limits are asked without
    /// may_see().
    void widen(Read& read) const {
        const auto widen = [&](ServiceRange& range) {
            if (read.wraps && may_be_outer(range)) range = {};
        };
        for (auto& limit : read.rules.limits) {
            widen(limit.services);
            if (!ports_of_.empty()) limit.services = {limit.services.protocol};
        }
        for (auto& list : read.rules.lists) widen(list.services);
        for (auto& range : read.rules.dscp) widen(range);
        for (auto& range : read.rules.synproxy) widen(range);
    }

    FirewallRules read_rules(const PlanNetns& netns, int family) {
        auto rules = network_.firewall(netns.number(), family);
        if (rules) return std::move(*rules);
        plan_.warnings.push_back(
            fmt::format("{}: its firewall rules could not be read, so they may limit rates and "
                        "look at the DSCP: {}",
                        netns.name(), rules.error().text()));
        return unread_rules();
    }

    [[nodiscard]] bool is_asked(const ServiceRange& range) const {
        return any_service([&](std::size_t service) { return may_see(range, service); });
    }

    void take_dscp(const FirewallRules& rules) {
        const auto& services = request_.services;
        for (const auto& range : rules.dscp) {
            if (!is_asked(range)) continue;
            plan_.dscp_filtered.resize(services.size());
            for (std::size_t i = 0; i < services.size(); ++i)
                if (may_see(range, i)) plan_.dscp_filtered[i] = true;
        }
    }

    /// Likewise, of what was sent before this scan.
    [[nodiscard]] bool may_have_remembered(const ServiceRange& range) const {
        const auto& sent = request_.sent_before;
        return !sent.empty() && (!ports_of_.empty() || is_of_answers(range, 0) ||
                                 std::ranges::any_of(sent, [&](const Service& service) {
                                     return range.may_have(service) ||
                                            is_of_answers(range, service.protocol);
                                 }));
    }

    /// What is entered into a list that is asked, or taken off it.
    void take_remembered(const FirewallRules& rules) {
        const auto& services = request_.services;
        std::set<std::string> asked;
        for (const auto& rule : rules.lists)
            if ((rule.stops || rule.passes) && is_asked(rule.services)) asked.insert(rule.list);
        for (const auto& rule : rules.lists) {
            if ((!rule.adds && !rule.removes) || !asked.contains(rule.list)) continue;
            plan_.remembers_before |= may_have_remembered(rule.services);
            if (!may_remember_any(rule.services)) continue;
            plan_.remembered.resize(services.size());
            for (std::size_t i = 0; i < services.size(); ++i)
                if (may_remember(rule.services, i)) plan_.remembered[i] = true;
        }
    }

    /// Rules that take the checksum of our IPv6 SYN for wrong, unless a socket made it.
    void take_synproxies(const FirewallRules& rules, PlanRouter& router) {
        if (request_.source.family != AF_INET6) return;
        const auto number = static_cast<std::size_t>(&router - plan_.routers.data());
        for (const auto& range : rules.synproxy) {
            if (!is_asked(range)) continue;
            if (plan_.isolated)
                take_memory({range, "", false, false, true, false, "synproxy"}, false, router);
            for (auto& path : plan_.paths)
                path.by_socket |=
                    std::ranges::find(path.hops, number, &PlanHop::router) != path.hops.end();
        }
    }

    /// Rules that answer by a list to which a probe may be added.
    void take_memories(const FirewallRules& rules, PlanRouter& router) {
        std::set<std::string> filled, emptied;
        for (const auto& rule : rules.lists) {
            if (!may_remember_any(rule.services) && !may_have_remembered(rule.services)) continue;
            if (rule.adds) filled.insert(rule.list);
            if (rule.removes) emptied.insert(rule.list);
        }
        for (const auto& rule : rules.lists) {
            const bool empties = emptied.contains(rule.list);
            if (empties || filled.contains(rule.list)) take_memory(rule, empties, router);
        }
    }

    /// @param both  it may have stopped what it passes otherwise, and the other way round
    void take_memory(const ListRule& rule, bool both, PlanRouter& router) {
        if ((!rule.stops && !rule.passes) || !is_asked(rule.services)) return;
        if (router.memories.size() < kMost)
            router.memories.push_back(fmt::format("{} {}", router.netns.name(), rule.rule));
        const auto number = static_cast<std::uint8_t>(router.memories.size());
        const auto asks = [&](std::size_t service) { return may_see(rule.services, service); };
        if (rule.list.empty()) {
            router.counted_by_memory.resize(request_.services.size());
            for (std::size_t i = 0; i < request_.services.size(); ++i)
                if (asks(i)) router.counted_by_memory[i] = true;
        }
        if (rule.stops || both) enter(asks, number, router.stopped_by_memory);
        if (rule.passes || both) enter(asks, number, router.passed_by_memory);
    }

    /// What may be another packet behind a source or a bridge, for what came before.
    void take_changes(const PlanNetns& netns) {
        PlanRouter at;
        at.netns = netns;
        take_memories(rules_of(netns), at);
        const auto services = request_.services.size();
        if (at.stopped_by_memory.empty() || at.passed_by_memory.empty()) return;
        plan_.changed.resize(services);
        for (std::size_t i = 0; i < services; ++i) {
            const auto number = at.stopped_by_memory[i];
            if (number == 0 || at.passed_by_memory[i] == 0 || plan_.changed[i] != 0) continue;
            if (plan_.changing.size() < kMost) plan_.changing.push_back(at.memories[number - 1U]);
            plan_.changed[i] = static_cast<std::uint8_t>(plan_.changing.size());
        }
    }

    /// The first rule that may concern a service stays.
    template <typename Concerns>
    void enter(Concerns concerns, std::uint8_t number, std::vector<std::uint8_t>& numbers) const {
        numbers.resize(request_.services.size());
        for (std::size_t i = 0; i < numbers.size(); ++i)
            if (numbers[i] == 0 && concerns(i)) numbers[i] = number;
    }

    /// A meter enters whom it counts, which matters only if another rule looks there too.
    static bool is_meter(const FirewallRules& rules, const ListRule& list) {
        const auto same = [&](const RateLimit& limit) {
            return limit.by_source && limit.rule == list.rule;
        };
        const auto asks = [&](const ListRule& other) {
            return other.list == list.list && (other.stops || other.passes);
        };
        return std::ranges::any_of(rules.limits, same) && std::ranges::none_of(rules.lists, asks);
    }

    void warn(const FirewallRules& rules, const std::string& router) {
        std::vector<std::string> traps;
        for (const auto& rule : rules.lists)
            if (rule.adds && !rule.list.empty() && may_remember_any(rule.services) &&
                !is_meter(rules, rule) && std::ranges::find(traps, rule.rule) == traps.end())
                traps.push_back(rule.rule);
        if (traps.empty()) return;
        plan_.warnings.push_back(fmt::format(
            "{}: its firewall remembers who asks for some of these services ({}{}), and the source "
            "is entered; --gentle leaves them out",
            router, traps.front(),
            traps.size() > 1 ? fmt::format(" and {} more", traps.size() - 1) : ""));
    }

    /// Whatever rule would hold a probe against the source.
    void spare(const FirewallRules& rules, const std::string& router) {
        for (const auto& rule : rules.lists)
            if ((rule.adds || rule.removes) && !rule.list.empty())
                spare(router, rule.rule,
                      [&](std::size_t service) { return may_remember(rule.services, service); });
        for (const auto& limit : rules.limits)
            if (limit.by_source)
                spare(router, limit.rule,
                      [&](std::size_t service) { return may_see(limit.services, service); });
    }

    template <typename Concerns>
    void spare(const std::string& router, const std::string& rule, Concerns concerns) {
        if (!any_service(concerns)) return;
        if (plan_.sparing.size() < kMost)
            plan_.sparing.push_back(fmt::format("{} {}", router, rule));
        enter(concerns, static_cast<std::uint8_t>(plan_.sparing.size()), plan_.spared);
    }

    Network& network_;
    const ScanRequest& request_;
    Plan& plan_;
    std::map<std::size_t, Read> rules_;            ///< by number of the namespace
    std::vector<std::vector<PortSpan>> ports_of_;  ///< per service, beside its own; or empty
};

}  // namespace

void survey_firewalls(Network& network, const ScanRequest& request, Plan& plan) {
    Survey(network, request, plan).run();
}

}  // namespace ksms
