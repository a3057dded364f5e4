// SPDX-License-Identifier: BSD-2-Clause
#include "output/trail_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "output/words.hpp"

namespace ksms {
namespace {

constexpr int kDecimals = 3;

const char* event_name(TrailEvent::Kind kind) {
    switch (kind) {
        case TrailEvent::Kind::came_in:
        case TrailEvent::Kind::routed:
        case TrailEvent::Kind::went_out: break;
        case TrailEvent::Kind::dropped: return "dropped";
        case TrailEvent::Kind::consumed: return "consumed";
        case TrailEvent::Kind::accepted: return "delivered";
    }
    return "seen";
}

std::string hook_of(const TrailRow& row) {
    switch (row.kind) {
        case TrailEvent::Kind::came_in: return "INGRESS";
        case TrailEvent::Kind::routed: return "POSTROUTING";
        case TrailEvent::Kind::went_out: return "EGRESS";
        case TrailEvent::Kind::accepted: return "INPUT";
        case TrailEvent::Kind::dropped: return hook_name(row.dropped.hook);
        case TrailEvent::Kind::consumed: break;
    }
    return {};
}

void write_row(JsonWriter& out, const Report& report, const TrailRow& row) {
    out.begin_object();
    out.key("ms").value(row.at.count(), kDecimals);
    out.field("router", row.router);
    out.key("hook").text_or_null(hook_of(row));
    out.field("iface", row.iface).field("event", event_name(row.kind));
    out.key("dscp");
    if (row.wrapped)
        out.null();
    else
        out.value(row.dscp);
    out.key("tuple").text_or_null(row.wrapped ? std::string()
                                              : fmt::format("{} > {}", endpoint_text(row.source),
                                                            endpoint_text(row.destination)));
    out.field("copy", row.copy);
    out.key("reason").text_or_null(report.words[row.dropped.reason]);
    out.key("place").text_or_null(report.words[row.dropped.place]);
    out.end_object();
}

}  // namespace

void write_trail(JsonWriter& out, const Report& report, std::size_t service,
                 const std::string& entry) {
    const auto is_its = [&](const ProbeTrail& trail) {
        return trail.service == service && (entry.empty() || trail.entry == entry);
    };
    if (std::ranges::none_of(report.trails, is_its)) return;
    out.key("trail").begin_array();
    for (const auto& trail : report.trails)
        if (is_its(trail))
            for (const auto& row : trail.rows) write_row(out, report, row);
    out.end_array();
}

}  // namespace ksms
