// SPDX-License-Identifier: BSD-2-Clause
#include "output/words.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>

#include "output/entry_words.hpp"

namespace ksms {
namespace {

struct IcmpError {
    Reply reply;
    std::string_view name;
};
// RFC 792, RFC 1122 and RFC 1812; RFC 4443
constexpr IcmpError kIcmpErrors[] = {
    {{Reply::Kind::icmp, 3, 0}, "icmp-net-unreachable"},
    {{Reply::Kind::icmp, 3, 1}, "icmp-host-unreachable"},
    {{Reply::Kind::icmp, 3, 2}, "icmp-proto-unreachable"},
    {{Reply::Kind::icmp, 3, 3}, "icmp-port-unreachable"},
    {{Reply::Kind::icmp, 3, 4}, "icmp-fragmentation-needed"},
    {{Reply::Kind::icmp, 3, 9}, "icmp-net-prohibited"},
    {{Reply::Kind::icmp, 3, 10}, "icmp-host-prohibited"},
    {{Reply::Kind::icmp, 3, 13}, "icmp-admin-prohibited"},
    {{Reply::Kind::icmp, 11, 0}, "icmp-ttl-exceeded"},
    {{Reply::Kind::icmp6, 1, 0}, "icmp6-no-route"},
    {{Reply::Kind::icmp6, 1, 1}, "icmp6-adm-prohibited"},
    {{Reply::Kind::icmp6, 1, 3}, "icmp6-addr-unreachable"},
    {{Reply::Kind::icmp6, 1, 4}, "icmp6-port-unreachable"},
    {{Reply::Kind::icmp6, 1, 5}, "icmp6-policy-fail"},
    {{Reply::Kind::icmp6, 1, 6}, "icmp6-reject-route"},
    {{Reply::Kind::icmp6, 2, 0}, "icmp6-packet-too-big"},
    {{Reply::Kind::icmp6, 3, 0}, "icmp6-hop-limit-exceeded"},
};

std::string_view kind_text(DropKind kind) {
    switch (kind) {
        case DropKind::firewall: return "firewall";
        case DropKind::no_route: return "no route";
        case DropKind::reverse_path: return "reverse path";
        case DropKind::ttl: return "TTL";
        case DropKind::neighbour: return "no neighbour";
        case DropKind::no_socket: return "no socket";
        case DropKind::socket_filter: return "socket filter";
        case DropKind::buffer_full: return "socket buffer full";
        case DropKind::mtu: return "MTU";
        case DropKind::forwarding_off: return "forwarding is off";
        case DropKind::martian_source: return "martian source";
        case DropKind::own_source: return "the router's own address as source";
        case DropKind::tc_egress: return "a TC program, egress";
        case DropKind::tc_ingress: return "a TC program, ingress";
        case DropKind::queueing: return "queueing discipline";
        case DropKind::xdp: return "an XDP program";
        case DropKind::refused_by_route: return "refused by a route";
        case DropKind::for_another: return "a frame to another's address";
        case DropKind::unnamed:
        case DropKind::other: break;
    }
    return "dropped";
}

/// The kernel gives a packet such a route if an IPsec policy wants it encrypted and there is no key
/// for it (make_blackhole(), net/xfrm/xfrm_policy.c), or if its interface goes away.
constexpr std::string_view kNoKey = "dst_discard_out";

/// "firewall, FORWARD (NETFILTER_DROP)": a common term, then the kernel's reason.
std::string drop_text(const Report& report, const DropSite& dropped, std::string_view hook) {
    auto what = kind_text(dropped.kind);
    if (report.words[dropped.place] == kNoKey)
        what = "no key for its IPsec policy, or its route went away";
    const auto& reason = report.words[dropped.reason];
    if (reason.empty()) {
        const auto& place = report.words[dropped.place];
        const auto* in = dropped.kind == DropKind::refused_by_route ? ", in " : " in ";
        return place.empty() ? std::string(what) : fmt::format("{}{}{}", what, in, place);
    }
    const bool firewall = dropped.kind == DropKind::firewall && !hook.empty();
    return fmt::format("{}{}{} ({})", what, firewall ? ", " : "", firewall ? hook : "", reason);
}

std::string drop_text(const Report& report, const DropSite& dropped) {
    return drop_text(report, dropped, hook_name(dropped.hook));
}

std::string rejected_text(const DropSite& dropped, const Reply& reply) {
    return is_rejected(dropped, reply) ? ", rejected: " + reply_text(reply) : std::string();
}

/// How a router stopped the probe.
std::string stop_text(const Report& report, const Cause& cause) {
    const auto& dropped = cause.dropped;
    const auto& refusal = report.texts[cause.text];
    if (!dropped.reported)
        return refusal.empty() ? "came in and did not go out"
                               : "came in and did not go out; its route is " + refusal;
    const auto& reason = report.words[dropped.reason];
    if (!refusal.empty())
        return reason.empty() ? "route is " + refusal
                              : fmt::format("route is {} ({})", refusal, reason);
    const std::string_view hook = hook_name(dropped.hook);
    return drop_text(report, dropped,
                     hook.empty() && cause.hairpin ? "FORWARD or POSTROUTING" : hook);
}

std::string delivery_text(const Report& report, const Arrival& arrival) {
    switch (arrival.delivery) {
        case Delivery::refused:
            return drop_text(report, arrival.dropped) +
                   rejected_text(arrival.dropped, arrival.reply);
        case Delivery::unheard: return "accepted, nobody listens";
        case Delivery::filtered: return "accepted, its socket's filter dropped it";
        case Delivery::no_room: return "accepted, its socket's buffer was full";
        case Delivery::taken: return "accepted, a socket took it";
        case Delivery::unknown: break;
    }
    return {};
}

void add_change_notes(const Change& change, std::vector<std::string>& notes) {
    const auto add = [&notes](std::string note) {
        if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
    };
    if (change.dscp) add(fmt::format("remarked:{}", *change.dscp));
    if (change.destination) add("translated:" + endpoint_text(*change.destination));
    if (change.source) add("translated-source:" + endpoint_text(*change.source));
}

void add_change_text(const std::string& router, const Change& change,
                     std::vector<std::string>& parts) {
    if (change.dscp && *change.dscp == 0)
        parts.push_back("bleached at " + router);
    else if (change.dscp)
        parts.push_back(fmt::format("{}: remarked to dscp {}", router, *change.dscp));
    if (change.destination)
        parts.push_back(
            fmt::format("{}: translated to {}", router, endpoint_text(*change.destination)));
    if (change.source)
        parts.push_back(
            fmt::format("{}: source translated to {}", router, endpoint_text(*change.source)));
}

void add_notes(Notes set, std::vector<std::string>& notes) {
    for (std::uint8_t number = 0; number < kNotes; ++number) {
        const auto note = static_cast<Note>(number);
        if (set.has(note)) notes.emplace_back(name_of(note));
    }
}

/// Details of a YES: how it was accepted, changes on its path, a drop by the destination.
std::string yes_text(const Report& report, const ServiceReport& service) {
    std::vector<std::string> parts;
    if (service.cause.why == Why::delivered) {
        const auto how = delivery_text(report, service.arrival);
        parts.push_back(fmt::format("{}: {}", report.router_names[service.cause.router],
                                    how.empty() ? "accepted" : how));
    }
    for (const auto& [router, change] : report.change_lists[service.changes])
        add_change_text(report.router_names[router], report.changes[change], parts);
    if (service.arrival.by == Arrival::By::host && !service.arrival.reached)
        parts.push_back(arrival_text(report, service));
    return fmt::format("{}", fmt::join(parts, "; "));
}

std::string reason_text(const Report& report, Why why, const DropSite& dropped, TextIndex text,
                        RouterIndex stopped_by) {
    switch (why) {
        case Why::dropped: return report.words[dropped.reason];
        case Why::stopped_before: return "stopped_before:" + report.router_names[stopped_by];
        case Why::source_dropped: {
            const auto& reason = report.words[dropped.reason];
            return "not_sent:" + (reason.empty() ? drop_text(report, dropped) : reason);
        }
        case Why::remembered:
        case Why::spared: return "state:" + report.texts[text];
        case Why::send_failed:
        case Why::no_way: return "not_sent:" + report.texts[text];
        default: return std::string(reason_of(why));
    }
}

}  // namespace

std::string endpoint_text(const Endpoint& endpoint) {
    const auto& address = endpoint.address;
    return address.family == AF_INET6 ? fmt::format("[{}]:{}", address.text(), endpoint.port)
                                      : fmt::format("{}:{}", address.text(), endpoint.port);
}

std::string_view name_of(Note note) {
    switch (note) {
        case Note::local: return "local";
        case Note::no_listener: return "no-listener";
        case Note::rejected: return "rejected";
        case Note::rate_limited: return "rate-limited";
        case Note::neighbour_faked: return "neighbour-faked";
        case Note::next_hop_missing: return "next-hop-missing";
        case Note::taps_gone: return "taps-gone";
        case Note::dropped_before_router: return "dropped-before-router";
        case Note::source_firewall: return "source-firewall";
        case Note::synproxy: return "synproxy";
        case Note::redirected: return "redirected";
        case Note::retransmitted: return "retransmitted";
        case Note::dscp_routed: return "dscp-routed";
        case Note::dscp_filtered: return "dscp-filtered";
    }
    return {};
}

std::string_view reason_of(Why why) {
    switch (why) {
        case Why::lost:
        case Why::no_word:
        case Why::proxied:
        case Why::not_looked_at:
        case Why::rate_limited:
        case Why::before_router:
        case Why::unwatched: return "lost";
        case Why::held: return "held";
        case Why::redirected: return "redirected";
        case Why::stopped_before: return "stopped_before";
        case Why::another_way: return "not_sent:another way";
        case Why::next_hop_missing:
        case Why::source_next_hop_missing: return "not_sent:next-hop-missing";
        case Why::past_its_taps: return "not_sent:past-its-taps";
        case Why::given_another: return "not_sent:changed-before";
        case Why::taps_gone: return "not_sent:taps-gone";
        case Why::interrupted: return "not_sent:interrupted";
        case Why::deadline: return "not_sent:deadline";
        case Why::nothing:
        case Why::delivered:
        case Why::dropped:
        case Why::by_entry:
        case Why::remembered:
        case Why::spared:
        case Why::send_failed:
        case Why::source_dropped:
        case Why::no_way: break;
    }
    return {};
}

std::string reason_text(const Report& report, const ServiceReport& service) {
    // An UNKNOWN has a reason; where the entries have different ones the first says it.
    if (service.cause.why == Why::by_entry && service.result == Verdict::unknown)
        return reason_text(report, of_entries(report, service).front());
    const auto& cause = service.cause;
    return reason_text(report, cause.why, cause.dropped, cause.text, cause.router);
}

std::string reason_text(const Report& report, const ServiceAtRouter& answer) {
    return reason_text(report, answer.why, answer.dropped, answer.text, answer.stopped_by);
}

std::string why_text(const Report& report, const ServiceReport& service) {
    const auto& cause = service.cause;
    const auto router = [&]() -> const std::string& { return report.router_names[cause.router]; };
    const auto& text = report.texts[cause.text];
    const auto& iface = report.texts[cause.iface];
    const auto& netns = report.texts[cause.netns];
    switch (cause.why) {
        case Why::nothing:
        case Why::delivered: return yes_text(report, service);
        case Why::by_entry: return entries_text(report, service);
        case Why::dropped:
            return fmt::format("{}: {}{}{}", router(), cause.loop ? "a routing loop, " : "",
                               stop_text(report, cause), rejected_text(cause.dropped, cause.reply));
        case Why::lost:
            return fmt::format("lost: sent {} time{}, {} saw none", service.sent,
                               service.sent == 1 ? "" : "s", router());
        case Why::no_word:
            return fmt::format("{}: came in; nothing reports what became of it{}{}", router(),
                               cause.reply ? "; answered: " : "", reply_text(cause.reply));
        case Why::proxied:
            return router() +
                   ": answered in the destination's place (a SYN proxy, or redirected to the "
                   "router itself); what is behind is not known";
        case Why::not_looked_at:
            return "its counters prove nothing, and no time was left to follow one packet";
        case Why::held:
            return router() +
                   ": came in and was still there when the time was over (a queue, or a next hop "
                   "that does not answer)";
        case Why::redirected:
            return router() +
                   ": taken by the router itself in the destination's place; what it does with it "
                   "is not known";
        case Why::rate_limited:
            return router() + ": its firewall limits rates; no time was left to try this one alone";
        case Why::remembered:
            return fmt::format("a rule may have answered so because of the scan itself: {}", text);
        case Why::spared: return "not sent (--gentle), it would be remembered by " + text;
        case Why::before_router:
            return fmt::format("dropped on the link before {}: {}", router(),
                               drop_text(report, cause.dropped));
        case Why::unwatched: return "it was led on to routers without taps";
        case Why::stopped_before: return "stopped before by " + router();
        case Why::another_way:
            return fmt::format("{} sent it by {}, its routes say {}", netns,
                               iface.empty() ? "another interface" : iface, text);
        case Why::next_hop_missing:
            return fmt::format("{}: the next hop on {} does not answer", router(), iface);
        case Why::source_next_hop_missing:
            return fmt::format("the gateway of {} does not answer", netns);
        case Why::past_its_taps: return router() + ": its taps saw none, and it was seen behind";
        case Why::given_another:
            return router() +
                   ": a router before it changes the packet, and what became of it did not come "
                   "here";
        case Why::taps_gone: return fmt::format("{}: {}", router(), text);
        case Why::interrupted: return "interrupted before the answer was certain";
        case Why::deadline: return "the deadline expired before the answer was certain";
        case Why::send_failed: return "not sent: " + text;
        case Why::source_dropped:
            return fmt::format("{} itself dropped it: {}", netns, drop_text(report, cause.dropped));
        case Why::no_way: return text;
    }
    return {};
}

std::string_view delivery_name(const ServiceReport& service) {
    switch (service.arrival.delivery) {
        case Delivery::taken: return "accepted";
        case Delivery::unheard: return "no-listener";
        case Delivery::filtered: return "filtered-by-socket";
        case Delivery::no_room: return "buffer-full";
        case Delivery::refused:
        case Delivery::unknown: break;
    }
    return {};
}

std::string arrival_text(const Report& report, const ServiceReport& service) {
    const auto& arrival = service.arrival;
    switch (arrival.by) {
        case Arrival::By::cause: return why_text(report, service);
        case Arrival::By::router: return delivery_text(report, arrival);
        case Arrival::By::host: break;
        case Arrival::By::nobody:
        case Arrival::By::elsewhere: return {};
    }
    const auto text = delivery_text(report, arrival);
    return arrival.reached
               ? text
               : fmt::format("{} itself dropped it: {}", report.texts[arrival.host], text);
}

const std::string& stopped_at(const Report& report, const ServiceReport& service) {
    static const std::string nobody;
    const auto router = service.cause.router;
    return service.result == Verdict::no && router != kNoRouter ? report.router_names[router]
                                                                : nobody;
}

std::vector<std::string> notes_text(const Report& report, const ServiceReport& service) {
    std::vector<std::string> notes;
    for (const auto& [router, change] : report.change_lists[service.all_changes])
        add_change_notes(report.changes[change], notes);
    add_notes(service.notes, notes);
    return notes;
}

std::vector<std::string> notes_text(const Report& report, const ServiceAtRouter& answer) {
    std::vector<std::string> notes;
    add_change_notes(report.changes[answer.change], notes);
    add_notes(answer.notes, notes);
    return notes;
}

std::string reply_text(const Reply& reply) {
    switch (reply.kind) {
        case Reply::Kind::none: return {};
        case Reply::Kind::tcp_reset: return "tcp-reset";
        case Reply::Kind::tcp_syn_ack: return "tcp-syn-ack";
        case Reply::Kind::icmp:
        case Reply::Kind::icmp6: break;
    }
    const auto known = std::ranges::find(kIcmpErrors, reply, &IcmpError::reply);
    if (known != std::end(kIcmpErrors)) return std::string(known->name);
    return fmt::format("icmp{}-{}-{}", reply.kind == Reply::Kind::icmp6 ? "6" : "", reply.type,
                       reply.code);
}

std::string failure_text(const Report& report) {
    return report.all_unknown()
               ? "no service has a verdict: " + why_text(report, report.services.front())
               : std::string();
}

std::string failure_text(const Explanation& result) {
    if (result.services.empty() || result.count(Verdict::unknown) < result.services.size())
        return {};
    const auto& first = result.services.front();
    return "no service has a verdict: " + why_text(first.scan, first.end());
}

}  // namespace ksms
