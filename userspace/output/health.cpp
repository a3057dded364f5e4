// SPDX-License-Identifier: BSD-2-Clause
#include "output/health.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "output/layout.hpp"

namespace ksms {
namespace {

struct Words {
    const char *text, *json, *color;
};

Words words_of(Health health) {
    switch (health) {
        case Health::ok: return {"OK", "ok", "\x1b[32m"};
        case Health::limited: return {"LIMITED", "limited", "\x1b[33m"};
        case Health::unknown: return {"UNKNOWN", "unknown", "\x1b[33m"};
        case Health::missing: break;
    }
    return {"MISSING", "missing", "\x1b[31m"};
}

constexpr std::size_t kState = 9, kName = 26, kDetailColumn = 2 + kState + kName;  // columns

}  // namespace

bool HealthReport::can_scan() const {
    return std::ranges::none_of(
        checks, [](const HealthCheck& check) { return check.health == Health::missing; });
}

std::string health_text(const HealthReport& report, bool color, std::size_t width) {
    std::string text, group;
    for (const auto& check : report.checks) {
        if (check.group != group)
            text += (group.empty() ? "" : "\n") + printable(check.group) + "\n";
        group = check.group;
        const auto words = words_of(check.health);
        const auto state = padded(words.text, kState);
        text += "  " + (color ? words.color + state + "\x1b[0m" : state) +
                padded(printable(check.name), kName) +
                (width_of(check.name) < kName ? "" : "\n" + std::string(kDetailColumn, ' ')) +
                wrapped_text(printable(check.detail), width, kDetailColumn) + "\n";
        if (check.health == Health::ok || check.remedy.empty()) continue;
        text += std::string(2 + kState, ' ') +
                wrapped_text(printable(check.remedy), width, 2 + kState) + "\n";
    }
    return text + (report.can_scan() ? "\na scan can run\n" : "\nno scan can run here\n");
}

void write_health_json(const HealthReport& report, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.doctor/1").field("can_scan", report.can_scan());
    json.key("checks").begin_array();
    for (const auto& check : report.checks) {
        json.begin_object().field("group", check.group).field("name", check.name);
        json.field("health", words_of(check.health).json);
        json.key("detail").text_or_null(check.detail);
        json.key("remedy").text_or_null(check.health == Health::ok ? "" : check.remedy);
        json.end_object();
    }
    json.end_array().end_object();
}

std::string removed_text(const std::vector<Removed>& removed) {
    if (removed.empty())
        return "no dead process left anything; `ksmsctl uninstall` removes what stays by design\n";
    std::string text;
    for (const auto& each : removed) {
        std::string line = each.error.empty() ? "removed " : "not removed: ";
        line += each.what;
        if (each.pid != 0) line += fmt::format(" (of the dead process {})", each.pid);
        if (!each.error.empty()) line += ": " + each.error;
        text += wrapped_text(printable(line), kWidestText, 2) + "\n";
    }
    return text;
}

void write_uninstalled_json(const std::vector<Removed>& parts, const std::vector<std::string>& held,
                            bool dry_run, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.uninstall/1").field("dry_run", dry_run);
    json.key("removed").begin_array();
    for (const auto& each : parts) json.value(each.what);
    json.end_array().key("held_by").begin_array();
    for (const auto& each : held) json.value(each);
    json.end_array().end_object();
}

void write_removed_json(const std::vector<Removed>& removed, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.gc/1").key("removed").begin_array();
    for (const auto& each : removed) {
        json.begin_object().key("pid");
        each.pid == 0 ? json.null() : json.value(each.pid);
        json.field("what", each.what).key("error").text_or_null(each.error);
        json.end_object();
    }
    json.end_array().end_object();
}

}  // namespace ksms
