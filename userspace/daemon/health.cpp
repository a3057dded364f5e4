// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/clock.hpp"
#include "daemon/log.hpp"
#include "daemon/order.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

using nlohmann::json;

json check(const std::string& name, bool ok, const std::string& detail,
           const std::string& hint = {}) {
    return {{"name", name},
            {"ok", ok},
            {"detail", detail},
            {"hint", hint.empty() ? json(nullptr) : json(hint)}};
}

}  // namespace

void Health::check_registry(const Config& config) {
    if (std::exchange(checking_, true)) return;
    chores_.run(
        [this, limits = config.limits] { return check_leases(objects_.registry, limits, true); },
        [this](const Result<std::vector<Finding>>& found) { checked(found); });
}

void Health::checked(const Result<std::vector<Finding>>& found) {
    checking_ = false;
    checked_at_ = realtime_s();
    check_error_ = found ? std::string() : found.error().text();
    if (!found) {
        log(LogLevel::error, "registry check: " + check_error_);
        return;
    }
    findings_ = found->size();
    open_findings_ = static_cast<std::size_t>(
        std::ranges::count_if(*found, [](const Finding& each) { return !each.repaired; }));
    for (const auto& finding : *found)
        log(LogLevel::warning, fmt::format("registry check: {}: {}", finding.what,
                                           finding.repaired ? finding.remedy : finding.why));
}

Result<LeaseUse> Health::use(const Config& config) const {
    const Registry registry(objects_.registry, config.limits);
    LeaseUse use;
    KSMS_TRY(use.figures, registry.figures());
    use.capacity = capacity(config.limits);
    use.used =
        static_cast<std::uint64_t>(std::popcount(use.figures.in_use & range_mask(config.limits)));
    use.waiting = use.figures.waiting;
    return use;
}

void Health::watch_use(const Config& config) {
    const auto now = use(config);
    if (!now) return;
    const bool over = now->capacity > 0 && now->ratio() > config.utilization_warning;
    if (over == over_threshold_) return;
    over_threshold_ = over;
    const auto text = fmt::format("{} of {} DSCPs are held", now->used, now->capacity);
    if (over)
        log(LogLevel::warning,
            fmt::format("{}: more than {:.0f} %", text, config.utilization_warning * 100));
    else
        log(LogLevel::notice, text + " again");
}

ServiceHealth Health::report() {
    json checks = json::array();
    bool failing = false, degraded = false;
    const auto database = board_.records().state();
    failing |= !database;
    checks.push_back(
        database ? check("database", true, "can be written")
                 : check("database", false, database.error().text(), database.error().hint));
    if (board_.unsaved() > 0) {
        degraded = true;
        checks.push_back(check(
            "results", false, fmt::format("{} finished jobs are not on disk yet", board_.unsaved()),
            "they are written as soon as the database can be"));
    }
    if (const auto& damage = board_.records().facts().damage) {
        degraded = true;
        checks.push_back(check("database-damage", false, damage->text(), damage->hint()));
    }
    const bool sound = check_error_.empty() && open_findings_ == 0;
    degraded |= !sound;
    checks.push_back(check("registry", sound,
                           checked_at_ == 0 ? std::string("not looked through yet")
                           : !check_error_.empty()
                               ? check_error_
                               : fmt::format("checked at {:.0f}: {} found, {} repaired",
                                             checked_at_, findings_, findings_ - open_findings_),
                           sound ? "" : "`ksmsctl registry check` tells more"));
    const auto mode = board_.mode();
    const bool full = mode.why != SchedulerMode::Why::shortage;
    degraded |= !full;
    checks.push_back(check("scheduler", full, mode.text));
    const json document{{"status", failing    ? "failing"
                                   : degraded ? "degraded"
                                              : "ok"},
                        {"checks", checks}};
    return {dump(document), !failing};
}

}  // namespace ksms
