// SPDX-License-Identifier: BSD-2-Clause
#include "scan/drop_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ksms/abi.h"
#include "scan/answer_text.hpp"

namespace ksms {

const char* hook_name(std::uint8_t hook) {
    switch (hook) {
        case KSMS_HOOK_PREROUTING: return "PREROUTING";
        case KSMS_HOOK_INPUT: return "INPUT";
        case KSMS_HOOK_FORWARD: return "FORWARD";
        case KSMS_HOOK_OUTPUT: return "OUTPUT";
        case KSMS_HOOK_POSTROUTING: return "POSTROUTING";
        case KSMS_HOOK_INGRESS: return "INGRESS";
        case KSMS_HOOK_EGRESS: return "EGRESS";
        default: return "";
    }
}

std::string drop_text(const DropEvidence& drop, std::string_view hook) {
    struct Words {
        std::string_view reason, text;
    };
    static constexpr Words words[] = {
        {"NETFILTER_DROP", "firewall"},
        {"IP_INNOROUTES", "no route"},
        {"IP_OUTNOROUTES", "no route"},
        {"IP_RPFILTER", "reverse path"},
        {"IP_INHDR", "TTL"},
        {"NEIGH_FAILED", "no neighbour"},
        {"NEIGH_CREATEFAIL", "no neighbour"},
        {"NEIGH_QUEUEFULL", "no neighbour"},
        {"NO_SOCKET", "no socket"},
        {"PKT_TOO_BIG", "MTU"},
        {"IP_INADDRERRORS", "forwarding is off"},
        {"IP_LOCALNET", "martian source"},
        {"IP_LOCAL_SOURCE", "the router's own address as source"},
        {"TC_EGRESS", "a TC program, egress"},
        {"TC_INGRESS", "a TC program, ingress"},
        {"QDISC_DROP", "queueing discipline"},
        {"XDP", "an XDP program"},
    };
    if (is_routing(drop) && drop.reason.empty())
        return fmt::format("refused by a route, in {}", drop.place.text());
    if (drop.reason.empty())
        return drop.place.empty() ? "dropped" : fmt::format("dropped in {}", drop.place.text());
    const auto word =
        std::ranges::find(words, std::string_view(drop.reason.text()), &Words::reason);
    const auto text = word == std::end(words) ? std::string_view("dropped") : word->text;
    const bool firewall = drop.reason == "NETFILTER_DROP" && !hook.empty();
    return fmt::format("{}{}{} ({})", text, firewall ? ", " : "", firewall ? hook : "",
                       drop.reason.text());
}

bool is_routing(const DropEvidence& drop) {
    if (drop.reason == "IP_INNOROUTES" || drop.reason == "IP_OUTNOROUTES") return true;
    // net/ipv4/route.c, net/ipv6/route.c, net/core/dst.c
    static constexpr std::string_view places[] = {"ip_error", "dst_discard", "dst_discard_out",
                                                  "ip6_pkt_discard", "ip6_pkt_prohibit"};
    return drop.reason.empty() &&
           std::ranges::find(places, std::string_view(drop.place.text())) != std::end(places);
}

std::string route_text(const DropEvidence& drop, const std::string& refusal) {
    return drop.reason.empty() ? "route is " + refusal
                               : fmt::format("route is {} ({})", refusal, drop.reason.text());
}

bool is_rejected(const DropEvidence& drop, const Name& answer) {
    if (answer.empty() || answer == kSynAck) return false;
    if (drop.count > 0) return drop.reason == "NETFILTER_DROP";
    // Where drops are not seen: what no routing decision sends.
    return answer == "tcp-reset" || answer.text().ends_with("port-unreachable");
}

std::string rejected_text(const DropEvidence& drop, const Name& answer) {
    return is_rejected(drop, answer) ? ", rejected: " + answer.text() : std::string();
}

}  // namespace ksms
