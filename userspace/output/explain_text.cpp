// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/service_names.hpp"
#include "output/explain.hpp"
#include "output/layout.hpp"
#include "output/words.hpp"

namespace ksms {
namespace {

constexpr std::size_t kLabel = 13;  // columns of "POSTROUTING  "
constexpr std::size_t kIndent = 4;  // before the label
constexpr std::size_t kDetail = 4;  // of a continuation line

/// A text of labelled lines, wrapped to a width.
class Page {
public:
    explicit Page(std::size_t width) : width_(width) {}
    void line(const std::string& text) {
        text_ += wrapped_text(printable(text), width_, kIndent) + '\n';
    }
    void labelled(const std::string& label, const std::string& text) {
        constexpr auto indent = kIndent + kLabel;
        text_ += std::string(kIndent, ' ') + padded(label, kLabel) +
                 wrapped_text(printable(text), width_, indent) + '\n';
    }
    void detail(const std::string& text) {
        constexpr auto indent = kIndent + kLabel + kDetail;
        text_ += std::string(indent, ' ') + wrapped_text(printable(text), width_, indent) + '\n';
    }
    void blank() { text_ += '\n'; }
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    std::size_t width_;
    std::string text_;
};

/// "table filter, chain tcp_in, rule 2 (handle 7)"
std::string where(const FirewallRule& rule) {
    auto text = fmt::format("table {} {}, chain {}", rule.family, rule.table, rule.chain);
    if (rule.firewall == Firewall::iptables_legacy)
        text = fmt::format("{}table {}, chain {}", rule.family == "ip6" ? "IPv6 " : "", rule.table,
                           rule.chain);
    if (rule.policy) return text + ", its policy";
    if (rule.number) text += fmt::format(", rule {}", *rule.number);
    if (rule.handle)
        text += rule.number ? fmt::format(" (handle {})", *rule.handle)
                            : fmt::format(", handle {}", *rule.handle);
    return text;
}

void rule_lines(Page& page, const FirewallRule& rule) {
    for (const auto& jump : rule.jumps)
        page.detail(
            fmt::format("from {}{}", where(jump), jump.text.empty() ? "" : ": " + jump.text));
    if (!rule.text.empty() && !rule.policy) page.detail(rule.text);
}

/// What a rule did with the packet.
std::string verb_of(const FirewallRule& rule) {
    if (rule.verdict == "accept") return "accepted";
    if (rule.verdict == "queue") return "queued";
    if (rule.verdict == "reject") return "REJECTED";
    return rule.verdict == "drop" ? "DROPPED" : rule.verdict;
}

/// What stopped the packet, at the hook where it was stopped.
void stop_lines(Page& page, const std::string& label, const HopReport& hop) {
    if (hop.rule) {
        page.labelled(label, fmt::format("{} by {}: {}", verb_of(*hop.rule),
                                         name_of(hop.rule->firewall), where(*hop.rule)));
        rule_lines(page, *hop.rule);
        return;
    }
    auto text = std::string("DROPPED");
    if (!hop.drop.reason.empty()) text += " (" + hop.drop.reason + ")";
    if (!hop.drop.place.empty()) text += " in " + hop.drop.place;
    page.labelled(label, text);
    if (!hop.rule_unknown.empty()) page.detail(hop.rule_unknown);
    for (const auto& rule : hop.candidates) {
        page.detail(fmt::format("perhaps {}: {}", name_of(rule.firewall), where(rule)));
        if (!rule.text.empty()) page.detail("  " + rule.text);
    }
}

std::string route_text(const RouteChoice& route) {
    if (!route.error.empty()) {
        auto text = route.error;
        if (!route.type.empty())
            text += fmt::format(": {} {}", route.type, route.prefix.empty() ? "" : route.prefix);
        return text;
    }
    auto text = route.type == "unicast" ? std::string() : route.type + " ";
    text += route.prefix.empty() ? "a route" : route.prefix;
    if (!route.next_hop.empty()) text += " via " + route.next_hop;
    if (!route.device.empty()) text += " dev " + route.device;
    if (route.metric != 0) text += fmt::format(" metric {}", route.metric);
    if (route.several) text += " (one of several next hops)";
    return text;
}

void route_lines(Page& page, const HopReport& hop, bool stopped_here) {
    if (!hop.route) return;
    const auto& route = *hop.route;
    const auto* would = route.error.empty() ? "would be " : "would not be routed: ";
    page.labelled("route", (route.taken ? "" : would) + route_text(route));
    if (route.priority)
        page.detail(fmt::format("by rule {}: {}{}", *route.priority, route.selector,
                                route.table.empty() ? "" : ", table " + route.table));
    else if (!route.table.empty())
        page.detail("table " + route.table);
    if (route.mark != 0)
        page.detail(fmt::format("with mark 0x{:x}, which a firewall sets", route.mark));
    if (!route.detail.empty()) page.detail(route.detail);
    if (stopped_here) stop_lines(page, "", hop);
}

std::string tap_text(const HookReport& hook) {
    auto text = hook.device.empty() ? std::string("-") : hook.device;
    if (hook.packets && *hook.packets > 0)
        text += fmt::format("  {} packet{}, {} bytes", *hook.packets, *hook.packets == 1 ? "" : "s",
                            hook.bytes.value_or(0));
    else if (hook.packets)
        text += "  nothing";
    return text;
}

void hook_lines(Page& page, const HopReport& hop, const HookReport& hook) {
    if (hook.hook == "ingress" || hook.hook == "egress") {
        page.labelled(hook.hook, tap_text(hook));
        if (hook.passage == Passage::dropped) stop_lines(page, "", hop);
        return;
    }
    bool labelled = false;
    for (const auto& chain : hook.chains) {
        page.labelled(
            labelled ? "" : hook.hook,
            fmt::format("{} by {}: {}", verb_of(chain), name_of(chain.firewall), where(chain)));
        rule_lines(page, chain);
        labelled = true;
    }
    if (hook.passage == Passage::dropped)
        stop_lines(page, labelled ? "" : hook.hook, hop);
    else if (!labelled)
        page.labelled(hook.hook, name_of(hook.passage));
}

std::string loop_text(const HopReport& hop) {
    if (hop.rounds == 0) return {};
    const bool ended = hop.answer.result == Verdict::no && hop.answer.dropped.kind == DropKind::ttl;
    return fmt::format("   in a loop: it came by {} times{}", hop.rounds,
                       ended ? ", and its TTL ended here" : "");
}

std::string head_of(const Report& report, const HopReport& hop) {
    const auto& answer = hop.answer;
    if (hop.hop == 0) {
        const auto* what = answer.result == Verdict::yes  ? "sends it"
                           : answer.result == Verdict::no ? "drops it itself"
                                                          : "nothing of it was seen";
        return fmt::format("from  {}   {}", hop.name, what);
    }
    if (answer.stopped_before()) return fmt::format("{:<4}  {}   not reached", hop.hop, hop.name);
    const auto notes = notes_text(report, answer);
    return fmt::format("{:<4}  {}   {}{}{}", hop.hop, hop.name, name_of(answer.result),
                       notes.empty() ? "" : "   " + joined(notes, ", "), loop_text(hop));
}

void hop_lines(Page& page, const Report& report, const HopReport& hop) {
    page.line(head_of(report, hop));
    if (hop.answer.stopped_before()) return;
    const bool hooked = std::ranges::any_of(
        hop.hooks, [](const HookReport& hook) { return hook.passage == Passage::dropped; });
    const bool stopped = hop.answer.result == Verdict::no && !hooked;
    // The routing decision is after PREROUTING, or before OUTPUT.
    if (hop.hop == 0) route_lines(page, hop, stopped);
    for (const auto& hook : hop.hooks) {
        hook_lines(page, hop, hook);
        if (hook.hook == "PREROUTING") route_lines(page, hop, stopped);
    }
}

void service_lines(Page& page, const Explanation& result, const ServiceExplanation& service) {
    const auto& end = service.end();
    const auto why = why_text(service.scan, end);
    const auto name = service_name(end.service);
    auto head =
        fmt::format("{} -> {}   {}{}   {}", result.source.text(), result.destination.text(),
                    service_text(end.service), name.empty() ? "" : " " + name, name_of(end.result));
    if (!why.empty()) head += "   " + why;
    page.line(head);
    page.blank();
    for (const auto& hop : service.hops) hop_lines(page, service.scan, hop);
    if (!service.hops.empty()) page.blank();
}

}  // namespace

std::string explain_text(const Explanation& result, std::size_t width) {
    Page page(width);
    for (const auto& service : result.services) service_lines(page, result, service);
    auto summary = fmt::format("{} pass{}", result.count(Verdict::yes),
                               result.count(Verdict::yes) == 1 ? "es" : "");
    if (const auto no = result.count(Verdict::no); no > 0)
        summary += fmt::format(", {} stop{}", no, no == 1 ? "s" : "");
    if (const auto unknown = result.count(Verdict::unknown); unknown > 0)
        summary += fmt::format(", {} unknown", unknown);
    if (const auto mixed = result.count(Verdict::mixed); mixed > 0)
        summary += fmt::format(", {} mixed (the entries differ)", mixed);
    if (result.state != ScanState::done) summary += fmt::format("   {}", name_of(result.state));
    page.line(fmt::format("{}   {} ms", summary, std::llround(result.total.count())));
    return page.take();
}

}  // namespace ksms
