// SPDX-License-Identifier: BSD-2-Clause
// Tables of rules, each installed in the lab of two routers, and what a packet that comes alone
// meets there.
#pragma once

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lab/capture.hpp"
#include "lab/truth.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {

/// Ten packets a second, and not two at once.
inline const std::string kTenASecond = "-m limit --limit 10/s --limit-burst 1 ";
inline const std::string kNftTenASecond = "limit rate 10/second burst 1 packets ";

/// Something that is done at a node. In `text`, IP is "ip" or "ip6", SRC and DST the addresses, NET
/// the destination's network and ADDR nft's type of an address.
struct Step {
    const char* node;
    enum class How { legacy, iptables_nft, nft, ip, command } how;
    std::string text;
};

struct RuleCase {
    const char* name;
    std::vector<Step> steps;
    int arrives{0};     ///< at this port; 0: at the one it was sent to
    int family{0};      ///< 0: both
    bool fails{false};  ///< what comes alone does not arrive
};

inline std::string filled_in(const Lab& lab, int family, std::string text) {
    const auto fill = [&text](const std::string& word, const std::string& by) {
        for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
            text.replace(at, word.size(), by);
    };
    fill("IP ", family == 4 ? "ip " : "ip6 ");
    fill("IPFLAG", family == 4 ? "-4" : "-6");
    fill("GATE", lab.address(family, 2, 2));
    fill("ADDR", family == 4 ? "ipv4_addr" : "ipv6_addr");
    fill("SRC", two_source(lab, family));
    fill("DST", two_destination(lab, family));
    fill("NET", lab.subnet(family, 3));
    return text;
}

inline void take_step(const Lab& lab, int family, const Step& step) {
    const auto text = filled_in(lab, family, step.text);
    switch (step.how) {
        case Step::How::legacy:
            return lab.rules(step.node, Firewall::iptables_legacy, text, family);
        case Step::How::iptables_nft:
            return lab.rules(step.node, Firewall::iptables_nft, text, family);
        case Step::How::nft: return lab.nft(step.node, text);
        case Step::How::ip:
            return family == 4 ? lab.ip(step.node, {text}) : lab.ip6(step.node, {text});
        case Step::How::command: lab.in(step.node, {"sh", "-c", text});
    }
}

/// Does a plain SYN arrive at dst? The way is known to be open.
inline bool arrives_alone(const Lab& lab, int family, int port, int as = 0) {
    Capture there(lab.netns("dst"), "eth0");
    send_plain({.netns = lab.netns("src"),
                .destination = two_destination(lab, family),
                .protocol = "tcp",
                .port = port});
    return eventually([&] { return there.saw("tcp", as == 0 ? port : as); },
                      std::chrono::milliseconds(300));
}

/// Until everybody on the way knows his neighbours.
inline bool opens(const Lab& lab, int family) {
    return observe(lab, two_destination(lab, family), {}).empty();
}

/// The lab of two with these rules, in which a packet that comes alone to this port arrives, or
/// does not.
inline void build_case(Lab& lab, const RuleCase& rules, int family, int port) {
    given(rules.name, [&] {
        build_two(lab);
        if (!opens(lab, family)) return false;
        for (const auto& step : rules.steps) take_step(lab, family, step);
        return arrives_alone(lab, family, port, rules.arrives) != rules.fails;
    });
}

/// Each in both modes and, where it has both, in both families: IPv4 on the path, IPv6 isolated.
/// @param check  is given the answer
template <typename Check>
void for_each_case(const std::vector<RuleCase>& cases, const std::string& ports, int port,
                   const std::vector<std::string>& more, Check check) {
    for (const auto& each : cases) {
        int family = 4;
        for (const auto& asked : only({"clsact", "isolated"})) {
            if (each.family != 0) family = each.family;
            Lab lab(Pins::with_process);
            build_case(lab, each, family, port);
            const auto result =
                ask(lab, two_source(lab, family), two_destination(lab, family), ports, asked, more);
            INFO(each.name << ", IPv" << family << ", " << asked.name << "\n" << result.text());
            check(each, result);
            family = 6;
        }
    }
}

}  // namespace ksms::lab
