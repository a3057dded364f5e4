// SPDX-License-Identifier: BSD-2-Clause
// The rules in the words of iptables-restore and of nft.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "fuzz_firewall.hpp"

namespace ksms::fuzz {
namespace {

using What = Condition::What;
using Do = Action::What;

std::string text_of(const lab::Lab& lab, int family, const Place& place) {
    return place.subnet ? lab.subnet(family, place.link)
                        : lab.address(family, place.link, place.host);
}

/// "10.0.0.1:80", "[fd00::1]:80", ":80" or the address alone.
std::string endpoint(const lab::Lab& lab, int family, const Action& action) {
    const auto address = action.has_place ? text_of(lab, family, action.place) : std::string();
    if (action.number == 0) return address;
    return family == 6 && !address.empty() ? fmt::format("[{}]:{}", address, action.number)
                                           : fmt::format("{}:{}", address, action.number);
}

std::string lower(std::string text) {
    for (char& letter : text)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return text;
}

std::string iptables(const lab::Lab& lab, int family, const Condition& one) {
    const std::string no = one.negated ? "! " : "";
    const auto& numbers = one.numbers;
    switch (one.what) {
        case What::protocol: return "-p " + one.protocol;
        case What::port: return fmt::format("{}--dport {}:{}", no, numbers[0], numbers[1]);
        case What::ports:
            return fmt::format("-m multiport {}--dports {}", no, fmt::join(numbers, ","));
        case What::source_port: return fmt::format("{}--sport {}:{}", no, numbers[0], numbers[1]);
        case What::source: return fmt::format("{}-s {}", no, text_of(lab, family, one.place));
        case What::destination: return fmt::format("{}-d {}", no, text_of(lab, family, one.place));
        case What::dscp: return fmt::format("-m dscp {}--dscp {}", no, numbers[0]);
        case What::mark: return fmt::format("-m mark {}--mark {}/{}", no, numbers[0], numbers[1]);
        case What::state: return fmt::format("-m conntrack {}--ctstate {}", no, one.text);
        case What::ingress: return fmt::format("{}-i {}", no, one.text);
        case What::egress: return fmt::format("{}-o {}", no, one.text);
        case What::syn: return no + "--syn";
    }
    return {};
}

std::string iptables(const lab::Lab& lab, int family, const Action& action) {
    switch (action.what) {
        case Do::nothing: return "";
        case Do::accept: return "-j ACCEPT";
        case Do::drop: return "-j DROP";
        case Do::reject: return "-j REJECT";
        case Do::reset: return "-j REJECT --reject-with tcp-reset";
        case Do::give_back: return "-j RETURN";
        case Do::jump: return "-j " + action.chain;
        case Do::go: return "-g " + action.chain;
        case Do::mark: return fmt::format("-j MARK --set-xmark {}/7", action.number);
        case Do::dscp: return fmt::format("-j DSCP --set-dscp {}", action.number);
        case Do::hop_limit:
            return fmt::format("-j {} {}", family == 4 ? "TTL --ttl-set" : "HL --hl-set",
                               action.number);
        case Do::dnat: return "-j DNAT --to-destination " + endpoint(lab, family, action);
        case Do::redirect: return fmt::format("-j REDIRECT --to-ports {}", action.number);
        case Do::snat: return "-j SNAT --to-source " + endpoint(lab, family, action);
        case Do::masquerade: return "-j MASQUERADE";
        case Do::notrack: return "-j CT --notrack";
    }
    return {};
}

std::string range(const std::vector<int>& numbers) {
    return numbers[0] == numbers[1] ? std::to_string(numbers[0])
                                    : fmt::format("{}-{}", numbers[0], numbers[1]);
}

std::string nft(const lab::Lab& lab, int family, const Condition& one) {
    const std::string no = one.negated ? "!= " : "", ip = family == 4 ? "ip" : "ip6";
    const auto& numbers = one.numbers;
    switch (one.what) {
        case What::protocol: return "meta l4proto " + one.protocol;
        case What::port: return fmt::format("{} dport {}{}", one.protocol, no, range(numbers));
        case What::ports:
            return fmt::format("{} dport {}{{ {} }}", one.protocol, no, fmt::join(numbers, ", "));
        case What::source_port:
            return fmt::format("{} sport {}{}", one.protocol, no, range(numbers));
        case What::source:
            return fmt::format("{} saddr {}{}", ip, no, text_of(lab, family, one.place));
        case What::destination:
            return fmt::format("{} daddr {}{}", ip, no, text_of(lab, family, one.place));
        case What::dscp: return fmt::format("{} dscp {}{}", ip, no, numbers[0]);
        case What::mark:
            return fmt::format("meta mark and {} {} {}", numbers[1],
                               one.negated ? "!=" : "==", numbers[0]);
        case What::state: return fmt::format("ct state {}{}", no, lower(one.text));
        case What::ingress: return fmt::format("iifname {}\"{}\"", no, one.text);
        case What::egress: return fmt::format("oifname {}\"{}\"", no, one.text);
        case What::syn:
            return fmt::format("tcp flags & (fin|syn|rst|ack) {} syn", one.negated ? "!=" : "==");
    }
    return {};
}

std::string nft(const lab::Lab& lab, int family, const Action& action) {
    const std::string ip = family == 4 ? "ip" : "ip6";
    switch (action.what) {
        case Do::nothing: return "counter";
        case Do::accept: return "accept";
        case Do::drop: return "drop";
        case Do::reject: return "reject";
        case Do::reset: return "reject with tcp reset";
        case Do::give_back: return "return";
        case Do::jump: return "jump " + action.chain;
        case Do::go: return "goto " + action.chain;
        case Do::mark:
            return fmt::format("meta mark set meta mark & 0xfffffff8 | {}", action.number);
        case Do::dscp: return fmt::format("{} dscp set {}", ip, action.number);
        case Do::hop_limit:
            return fmt::format("{} {} set {}", ip, family == 4 ? "ttl" : "hoplimit", action.number);
        case Do::dnat: return "dnat to " + endpoint(lab, family, action);
        case Do::redirect: return fmt::format("redirect to :{}", action.number);
        case Do::snat: return "snat to " + endpoint(lab, family, action);
        case Do::masquerade: return "masquerade";
        case Do::notrack: return "notrack";
    }
    return {};
}

template <typename Word>
std::string line(const Rule& rule, const Word& word) {
    std::string text;
    for (const Condition& one : rule.conditions) text += word(one) + " ";
    return text + word(rule.action);
}

std::string for_iptables(const lab::Lab& lab, int family, const Firewall& firewall) {
    const auto word = [&](const auto& what) { return iptables(lab, family, what); };
    std::map<std::string, std::string> heads, rules;
    for (const Chain& chain : firewall.chains) {
        const bool own = chain.name.empty();
        const auto& name = own ? chain.hook : chain.name;
        heads[chain.table] += fmt::format(":{} {} [0:0]\n", name,
                                          !own          ? "-"
                                          : chain.drops ? "DROP"
                                                        : "ACCEPT");
        auto& text = rules[chain.table];
        if (own) {
            text += fmt::format("-A {} -p udp --dport {} -j ACCEPT\n", name, kSentinelPort);
            if (family == 6) text += fmt::format("-A {} -p ipv6-icmp -j ACCEPT\n", name);
            // A tunnel's packet that is translated away is no tunnel's any more.
            if (chain.table == "nat")
                text += fmt::format("-A {} -p udp --dport {} -j ACCEPT\n", name, kVxlanPort);
        }
        for (const Rule& rule : chain.rules)
            text += fmt::format("-A {} {}\n", name, line(rule, word));
    }
    std::string result;
    for (const auto& [table, text] : rules)
        result += fmt::format("*{}\n{}{}COMMIT\n", table, heads[table], text);
    return result;
}

std::string hook_of(const Chain& chain) {
    if (chain.table == "netdev")
        return fmt::format("type filter hook {} device {} priority 0", chain.hook,
                           chain.hook == "ingress" ? "eth0" : "eth1");
    static const std::map<std::string, int> priorities{
        {"raw", -300}, {"mangle", -150}, {"filter", 0}, {"nat", 0}};
    const bool nat = chain.table == "nat";
    const int priority =
        nat ? (chain.hook == "PREROUTING" ? -100 : 100) : priorities.at(chain.table);
    return fmt::format("type {} hook {} priority {}", nat ? "nat" : "filter", lower(chain.hook),
                       priority);
}

std::string for_nft(const lab::Lab& lab, int family, const Firewall& firewall) {
    const auto word = [&](const auto& what) { return nft(lab, family, what); };
    std::string tables;
    for (const bool netdev : {false, true}) {
        std::string text;
        // What is jumped to comes first.
        for (auto at = firewall.chains.rbegin(); at != firewall.chains.rend(); ++at) {
            const Chain& chain = *at;
            if ((chain.table == "netdev") != netdev) continue;
            const bool own = chain.name.empty();
            text += fmt::format("chain {} {{\n",
                                own ? lower(chain.table + "_" + chain.hook) : chain.name);
            if (own)
                text += fmt::format("{}; policy {};\nudp dport {{ {}{} }} accept\n{}",
                                    hook_of(chain), chain.drops ? "drop" : "accept", kSentinelPort,
                                    chain.table == "nat" ? fmt::format(", {}", kVxlanPort) : "",
                                    family == 6 ? "meta l4proto ipv6-icmp accept\n" : "");
            for (const Rule& rule : chain.rules) text += line(rule, word) + "\n";
            text += "}\n";
        }
        if (!text.empty())
            tables += fmt::format("table {} fuzz{} {{\n{}}}\n",
                                  netdev        ? "netdev"
                                  : family == 4 ? "ip"
                                                : "ip6",
                                  family, text);
    }
    return tables;
}

}  // namespace

void apply(const lab::Lab& lab, const std::string& node, const Firewall& firewall) {
    if (firewall.chains.empty()) return;
    for (const int family : {4, 6}) {
        if (firewall.kind == Kind::nftables)
            lab.nft(node, for_nft(lab, family, firewall));
        else
            lab.rules(node,
                      firewall.kind == Kind::iptables_nft ? lab::Firewall::iptables_nft
                                                          : lab::Firewall::iptables_legacy,
                      for_iptables(lab, family, firewall), family);
    }
}

}  // namespace ksms::fuzz
