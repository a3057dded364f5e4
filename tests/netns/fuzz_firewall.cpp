// SPDX-License-Identifier: BSD-2-Clause
#include "fuzz_firewall.hpp"

#include <fmt/format.h>

namespace ksms::fuzz {
namespace {

using enum Action::What;
using What = Condition::What;

/// Hooks by table, how often a firewall has each (percent), and what its rules may do.
struct Hook {
    const char *table, *hook;
    int percent;
    std::vector<Action::What> actions;
};

const std::vector<Hook>& hooks() {
    static const std::vector<Hook> all{
        {"netdev", "ingress", 15, {drop, accept}},
        {"netdev", "egress", 15, {drop, accept}},
        {"raw", "PREROUTING", 35, {drop, accept, notrack, notrack, nothing}},
        {"mangle", "PREROUTING", 40, {drop, accept, mark, mark, Action::What::dscp, hop_limit}},
        {"nat", "PREROUTING", 35, {dnat, dnat, redirect, accept}},
        {"mangle", "INPUT", 15, {drop, accept, mark}},
        {"filter", "INPUT", 30, {drop, accept, reject, reset}},
        {"filter", "OUTPUT", 10, {drop, accept}},  // the outer packets of a tunnel
        {"mangle", "FORWARD", 25, {drop, accept, mark, Action::What::dscp, hop_limit}},
        {"filter", "FORWARD", 85, {drop, accept, accept, reject, reset, nothing}},
        {"mangle", "POSTROUTING", 30, {drop, accept, mark, Action::What::dscp}},
        {"nat", "POSTROUTING", 35, {snat, snat, masquerade, masquerade, accept}},
    };
    return all;
}

class Maker {
public:
    Maker(Random& random, const Surroundings& around) : random_(random), around_(around) {}

    Firewall firewall() {
        Firewall result;
        result.kind = static_cast<Kind>(random_.below(8) == 0 ? 0 : 1 + random_.below(3));
        if (result.kind == Kind::none) return result;
        for (const Hook& hook : hooks()) {
            const bool netdev = std::string(hook.table) == "netdev";
            if (netdev && result.kind != Kind::nftables) continue;
            if (random_.chance(hook.percent)) add_chains(result, hook);
        }
        return result;
    }

private:
    void add_chains(Firewall& to, const Hook& hook) {
        Chain base{hook.table, hook.hook, "", false, {}};
        const std::string table = hook.table;
        if (table != "nat" && table != "netdev")
            base.drops = random_.chance(table == "filter" ? 15 : 2);
        std::vector<std::string> named;
        if (table != "netdev")
            for (int left = random_.below(3); left > 0; --left)
                named.push_back(fmt::format("{}_{}_{}", hook.table, hook.hook, left));
        fill(base, hook, named, 0, 1 + random_.below(5));
        to.chains.push_back(base);
        for (std::size_t i = 0; i < named.size(); ++i) {
            Chain chain{hook.table, hook.hook, named[i], false, {}};
            fill(chain, hook, named, i + 1, 1 + random_.below(3));
            to.chains.push_back(chain);
        }
    }

    /// Jumps only to chains further on, so that no rule is met twice.
    void fill(Chain& chain, const Hook& hook, const std::vector<std::string>& named,
              std::size_t further, int count) {
        for (; count > 0; --count) {
            Rule rule;
            Action& action = rule.action;
            if (further < named.size() && random_.chance(40)) {
                action.what = random_.chance(75) ? jump : go;
                action.chain = random_.any(
                    std::vector(named.begin() + static_cast<long>(further), named.end()));
            } else if (chain.table != "netdev" && random_.chance(10)) {
                action.what = give_back;
            } else {
                action = random_action(hook);
            }
            rule.conditions = conditions(hook, action);
            chain.rules.push_back(std::move(rule));
        }
    }

    Action random_action(const Hook& hook) {
        Action action{random_.any(hook.actions)};
        const int here = around_.router, last = around_.routers;
        if (action.what == mark) action.number = 1 + random_.below(7);
        if (action.what == Action::What::dscp)
            action.number = random_.chance(30) ? random_.any(around_.dscps) : random_.below(64);
        if (action.what == hop_limit) action.number = 1 + random_.below(last + 3);
        if (action.what == redirect) action.number = some_port();
        if (action.what == snat) {
            action.has_place = true;
            // Its own address, nobody's, or now and then a later router's, which makes it a
            // martian.
            action.place = random_.chance(60)   ? Place{here + 1, 1}
                           : random_.chance(80) ? Place{here + 1, 6}
                                                : Place{last + 1, 1};
        }
        if (action.what == dnat) {
            action.number = random_.chance(60) ? some_port() : 0;
            action.has_place = action.number == 0 || random_.chance(50);
            // The destination's second address, or one of this or a later router.
            if (action.has_place)
                action.place = random_.chance(8) ? Place{last + 1, kNobody}
                               : random_.chance(70)
                                   ? Place{last + 1, 3}
                                   : Place{here + 1 + random_.below(last - here + 1), 1};
        }
        return action;
    }

    int some_port() { return random_.chance(30) ? random_.any(around_.ports) : 8081; }

    std::vector<Condition> conditions(const Hook& hook, const Action& action) {
        std::vector<Condition> result;
        const bool ported = (action.what == dnat || action.what == redirect) && action.number != 0;
        if (ported || action.what == reset || std::string(hook.table) == "netdev" ||
            random_.chance(85)) {
            const std::string protocol = action.what == reset ? "tcp"
                                         : random_.chance(50) ? "tcp"
                                                              : "udp";
            result.push_back({.what = What::protocol, .protocol = protocol});
            add_ports(result, protocol);
        }
        if (random_.chance(25)) add_place(result);
        if (random_.chance(20)) {
            result.push_back(
                {.what = What::dscp,
                 .numbers = {random_.chance(60) ? random_.any(around_.dscps) : random_.below(64)},
                 .negated = random_.chance(25)});
        }
        if (random_.chance(15) && std::string(hook.table) != "netdev") {
            const int mask = random_.chance(50) ? 7 : 1 << random_.below(3);
            result.push_back({.what = What::mark,
                              .numbers = {random_.below(8) & mask, mask},
                              .negated = random_.chance(30)});
        }
        add_state(result, hook);
        add_interface(result, hook.hook);
        return result;
    }

    void add_ports(std::vector<Condition>& to, const std::string& protocol) {
        const int which = random_.below(100), from = random_.any(around_.ports);
        const bool negated = random_.chance(12);
        if (which < 40) {
            to.push_back({.what = What::port,
                          .protocol = protocol,
                          .numbers = {from, from},
                          .negated = negated});
        } else if (which < 60) {
            to.push_back({.what = What::port,
                          .protocol = protocol,
                          .numbers = {from, from + random_.below(500)},
                          .negated = negated});
        } else if (which < 75) {
            Condition several{.what = What::ports, .protocol = protocol, .negated = negated};
            for (int i = 0; i < 3; ++i) several.numbers.push_back(random_.any(around_.ports));
            to.push_back(several);
        } else if (which < 85) {
            const bool low = random_.chance(50);
            to.push_back({.what = What::source_port,
                          .protocol = protocol,
                          .numbers = {low ? 1 : 1024, low ? 1023 : 65535},
                          .negated = negated});
        } else if (protocol == "tcp" && which < 92) {
            to.push_back({.what = What::syn, .protocol = protocol, .negated = negated});
        }
    }

    void add_place(std::vector<Condition>& to) {
        const bool source = random_.chance(50);
        const int last = around_.routers + 1;
        static const std::vector<int> hosts{1, 2, 3, 5};
        Place place{source ? 1 : last, source ? 1 : 2, random_.chance(40)};
        if (random_.chance(40)) place = {1 + random_.below(last), random_.any(hosts), place.subnet};
        to.push_back({.what = source ? What::source : What::destination,
                      .place = place,
                      .negated = random_.chance(20)});
    }

    void add_state(std::vector<Condition>& to, const Hook& hook) {
        const std::string table = hook.table;
        static const std::vector<std::string> states{"NEW",     "NEW",       "ESTABLISHED",
                                                     "RELATED", "UNTRACKED", "INVALID"};
        if (table != "raw" && table != "netdev" && table != "nat" && random_.chance(15))
            to.push_back(
                {.what = What::state, .text = random_.any(states), .negated = random_.chance(20)});
    }

    void add_interface(std::vector<Condition>& to, const std::string& hook) {
        const std::string name = random_.chance(80) ? "" : "x";
        if (random_.chance(8) && (hook == "PREROUTING" || hook == "FORWARD" || hook == "INPUT"))
            to.push_back(
                {.what = What::ingress, .text = "eth0" + name, .negated = random_.chance(30)});
        if (random_.chance(8) && (hook == "POSTROUTING" || hook == "FORWARD"))
            to.push_back(
                {.what = What::egress, .text = "eth1" + name, .negated = random_.chance(30)});
    }

    Random& random_;
    const Surroundings& around_;
};

}  // namespace

Firewall random_firewall(Random& random, const Surroundings& around) {
    return Maker(random, around).firewall();
}

}  // namespace ksms::fuzz
