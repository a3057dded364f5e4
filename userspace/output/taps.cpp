// SPDX-License-Identifier: BSD-2-Clause
#include "output/taps.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "output/layout.hpp"

namespace ksms {
namespace {

constexpr auto kStats =
    std::to_array<const char*>({"unparsable", "fragments", "counters_full", "drops_full",
                                "translations_full", "no_tap", "no_store", "stale", "trail_full"});
static_assert(kStats.size() == KSMS_STATS);

template <std::size_t N>
std::string text_of(const char (&field)[N]) {
    return {field, ::strnlen(field, N)};
}

const char* kind_name(std::uint32_t kind) {
    switch (kind) {
        case KSMS_TAP_CLSACT: return "clsact";
        case KSMS_TAP_TCX: return "tcx";
        case KSMS_TAP_XDP: return "xdp";
        case KSMS_TAP_NETFILTER_IPV4: return "netfilter-ipv4";
        case KSMS_TAP_NETFILTER_IPV6: return "netfilter-ipv6";
        default: return "none";
    }
}

const char* direction_name(std::uint32_t direction) {
    return direction == KSMS_INGRESS ? "ingress" : "egress";
}

std::string holder(const TapRow& row) {
    if (row.standing && row.tap.owner_pid != 0)
        return fmt::format("kept by pid {}", row.tap.owner_pid);
    if (row.standing) return "stays";
    return fmt::format("scan of dscp {} (pid {})", row.tap.dscp, row.tap.owner_pid);
}

}  // namespace

std::string taps_text(const std::vector<TapRow>& taps, std::size_t width) {
    if (taps.empty()) return "no taps\n";
    Table table({"TAP", "ROUTER", "INTERFACE", "DIRECTION", "KIND", "HELD BY", ""});
    for (const auto& row : taps)
        table.add({std::to_string(row.id), text_of(row.tap.router_name), text_of(row.tap.interface),
                   direction_name(row.tap.direction), kind_name(row.tap.kind), holder(row),
                   row.present ? "" : "gone"});
    return table.text(width);
}

std::string tap_counters_text(const std::vector<TapRow>& taps, const ProgramStats& stats,
                              std::size_t width) {
    std::string text;
    if (taps.empty()) {
        text = "no taps\n";
    } else {
        Table table({"ROUTER", "INTERFACE", "DIRECTION", "PACKETS", "PROBES", "STRANGERS",
                     "UNPARSABLE", "FRAGMENTS"});
        for (const auto& [id, tap, standing, present] : taps)
            table.add({text_of(tap.router_name), text_of(tap.interface),
                       direction_name(tap.direction), std::to_string(tap.packets),
                       std::to_string(tap.own), std::to_string(tap.strangers),
                       std::to_string(tap.unparsable), std::to_string(tap.fragments)});
        text = table.text(width);
    }
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < stats.size() && i < kStats.size(); ++i)
        if (stats[i] > 0) parts.push_back(fmt::format("{} {}", kStats[i], stats[i]));
    if (!parts.empty()) text += "\nall programs: " + joined(parts, ", ") + "\n";
    return text;
}

void write_taps_json(const std::vector<TapRow>& taps, const ProgramStats& stats, bool pretty,
                     const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.taps/1").key("taps").begin_array();
    for (const auto& [id, tap, standing, present] : taps) {
        json.begin_object().field("id", id);
        json.field("router", text_of(tap.router_name)).field("netns", tap.router);
        json.field("iface", text_of(tap.interface)).field("ifindex", tap.ifindex);
        json.field("direction", direction_name(tap.direction)).field("kind", kind_name(tap.kind));
        json.field("standing", standing).field("present", present);
        json.key("dscp");
        standing ? json.null() : json.value(tap.dscp);
        json.key("pid");
        tap.owner_pid == 0 ? json.null() : json.value(tap.owner_pid);
        json.field("packets", tap.packets).field("probes", tap.own);
        json.field("strangers", tap.strangers).field("unparsable", tap.unparsable);
        json.field("fragments", tap.fragments).end_object();
    }
    json.end_array().key("stats").begin_object();
    for (std::size_t i = 0; i < stats.size() && i < kStats.size(); ++i)
        json.field(kStats[i], stats[i]);
    json.end_object().end_object();
}

}  // namespace ksms
