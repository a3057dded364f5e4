// SPDX-License-Identifier: BSD-2-Clause
#include "fuzz_share.hpp"

#include <algorithm>

namespace ksms::fuzz {
namespace {

using Do = Action::What;

bool has_rule(const Firewall& firewall, const auto& is_so) {
    return std::ranges::any_of(firewall.chains, [&](const Chain& chain) {
        return std::ranges::any_of(chain.rules, is_so);
    });
}

bool acts(const Firewall& firewall, std::initializer_list<Do> actions) {
    return has_rule(firewall, [&](const Rule& rule) {
        return std::ranges::find(actions, rule.action.what) != actions.end();
    });
}

bool asks(const Firewall& firewall, Condition::What what) {
    return has_rule(firewall, [&](const Rule& rule) {
        return std::ranges::any_of(rule.conditions,
                                   [&](const Condition& each) { return each.what == what; });
    });
}

bool has_chain(const Firewall& firewall, const std::string& table, const std::string& hook) {
    return std::ranges::any_of(firewall.chains, [&](const Chain& chain) {
        return (table.empty() || chain.table == table) && (hook.empty() || chain.hook == hook);
    });
}

/// A router, among the others of its network.
struct Here {
    const Network& network;
    int router;
    [[nodiscard]] const Firewall& firewall() const { return at(router); }
    [[nodiscard]] const Firewall& at(int number) const {
        return network.firewalls[static_cast<std::size_t>(number)];
    }
    [[nodiscard]] const Trap& trap() const {
        return network.traps[static_cast<std::size_t>(router)];
    }
};

const std::initializer_list<Do> kTranslates{Do::dnat, Do::redirect, Do::snat, Do::masquerade};

struct Thing {
    const char* name;
    bool (*is_at)(const Here&);
};

const std::vector<Thing>& things() {
    static const std::vector<Thing> all{
        {"several entries", [](const Here& at) { return at.network.second != 0; }},
        {"iptables-legacy",
         [](const Here& at) { return at.firewall().kind == Kind::iptables_legacy; }},
        {"iptables-nft", [](const Here& at) { return at.firewall().kind == Kind::iptables_nft; }},
        {"nftables", [](const Here& at) { return at.firewall().kind == Kind::nftables; }},
        {"netdev chain", [](const Here& at) { return has_chain(at.firewall(), "netdev", ""); }},
        {"INPUT chain", [](const Here& at) { return has_chain(at.firewall(), "", "INPUT"); }},
        {"OUTPUT chain", [](const Here& at) { return has_chain(at.firewall(), "", "OUTPUT"); }},
        {"reject", [](const Here& at) { return acts(at.firewall(), {Do::reject, Do::reset}); }},
        {"DNAT", [](const Here& at) { return acts(at.firewall(), {Do::dnat}); }},
        {"DNAT to nobody",
         [](const Here& at) {
             return has_rule(at.firewall(), [](const Rule& rule) {
                 return rule.action.what == Do::dnat && rule.action.has_place &&
                        rule.action.place.host == kNobody;
             });
         }},
        {"REDIRECT", [](const Here& at) { return acts(at.firewall(), {Do::redirect}); }},
        {"SNAT, MASQUERADE",
         [](const Here& at) { return acts(at.firewall(), {Do::snat, Do::masquerade}); }},
        {"NAT at a router before",
         [](const Here& at) {
             for (int number = 1; number < at.router; ++number)
                 if (acts(at.at(number), kTranslates)) return true;
             return false;
         }},
        {"NOTRACK", [](const Here& at) { return acts(at.firewall(), {Do::notrack}); }},
        {"sets the DSCP", [](const Here& at) { return acts(at.firewall(), {Do::dscp}); }},
        {"sets the hop limit", [](const Here& at) { return acts(at.firewall(), {Do::hop_limit}); }},
        {"sets a mark", [](const Here& at) { return acts(at.firewall(), {Do::mark}); }},
        {"asks for the DSCP",
         [](const Here& at) { return asks(at.firewall(), Condition::What::dscp); }},
        {"asks for a mark",
         [](const Here& at) { return asks(at.firewall(), Condition::What::mark); }},
        {"asks for a state",
         [](const Here& at) { return asks(at.firewall(), Condition::What::state); }},
        {"no way on: route",
         [](const Here& at) { return !at.trap().kind.empty() && at.trap().selector.empty(); }},
        {"no way on: rule",
         [](const Here& at) { return at.trap().is_planned() && !at.trap().selector.empty(); }},
        {"no way on: rule by mark",
         [](const Here& at) { return at.trap().selector.starts_with("fwmark"); }},
        {"strict rp_filter",
         [](const Here& at) { return at.network.strict[static_cast<std::size_t>(at.router)]; }},
        {"echo at the destination", [](const Here& at) { return at.network.echoes; }},
        {"scan goes to a router",
         [](const Here& at) {
             return at.network.goal == Goal::far_side || at.network.goal == Goal::near_side;
         }},
        {"scan goes to nobody", [](const Here& at) { return at.network.goal == Goal::nobody; }},
    };
    return all;
}

}  // namespace

const std::vector<std::string>& all_things() {
    static const auto all = [] {
        std::vector<std::string> names;
        for (const auto& thing : things()) names.emplace_back(thing.name);
        for (const auto element : all_elements()) names.emplace_back(name_of(element));
        return names;
    }();
    return all;
}

std::set<std::string> things_at(const Network& network, int router) {
    std::set<std::string> found;
    for (const auto& thing : things())
        if (thing.is_at({network, router})) found.insert(thing.name);
    for (const auto element : network.elements[static_cast<std::size_t>(router)])
        found.insert(name_of(element));
    return found;
}

}  // namespace ksms::fuzz
