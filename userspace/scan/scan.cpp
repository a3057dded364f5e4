// SPDX-License-Identifier: BSD-2-Clause
#include "scan/scan.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/clock.hpp"
#include "os/process.hpp"
#include "scan/stages.hpp"

namespace ksms {
namespace {

constexpr int kMostRounds = 8;

/// All but plan and lease.
Result<Judged> scan_under(const Round& round, Planned planned, const ScanLease& lease,
                          Instant started) {
    KSMS_TRY(const auto plan, plan_for_dscp(round, std::move(planned), lease.dscp()));
    if (round.hooks.planned) KSMS_CHECK(round.hooks.planned(plan.plan, *plan.network));
    const auto planned_at = monotonic();
    auto slots = StoreSlots::of(plan.plan, *plan.network);
    KSMS_TRY(auto arrays, begin_arrays(round, plan.plan, lease, slots));
    KSMS_TRY(const auto tapped, attach_taps(round, plan, std::move(slots), lease.dscp()));
    const auto attached_at = monotonic();
    KernelNames names(round.objects);
    KSMS_TRY(const auto probed,
             probe_services(round, plan, lease, std::move(arrays), tapped, names));
    const auto settled_at = monotonic();
    KSMS_TRY(auto judged, judge_probes(round, plan, lease, tapped, probed, names));
    const auto sent_at = probed.sent.all_sent;
    judged.report.timing = {.plan = planned_at - started,
                            .attach = attached_at - planned_at,
                            .probe = sent_at - attached_at,
                            .settle = settled_at - sent_at};
    return judged;
}

/// Rules on the way may remember what the rounds before have sent.
Result<Judged> another_round(const Round& before, const ScanLease& lease) {
    const auto started = monotonic();
    auto request = before.request;
    request.sent_before = request.services;
    const Round round{before.objects,  before.guard,   request,       before.hooks,
                      before.registry, before.detours, before.started};
    KSMS_TRY(auto planned, plan_round(round));
    return scan_under(round, std::move(planned), lease, started);
}

/// What a round found stands where the one after it does not come to its end.
/// @return whether there may be one more
bool take_next(Result<Judged> next, Judged& judged) {
    auto& report = judged.report;
    if (next && !next->cut_short) {
        judged = std::move(*next);
        return true;
    }
    const auto why = !next ? next.error().text() : "it was cut short";
    report.state = next ? next->report.state : ScanState::partial;
    report.warnings.push_back("probes went on to routers without taps, and a second look failed: " +
                              why);
    return false;
}

/// A round more where probes went on to routers that had no taps, until none does.
Result<Report> run_rounds(const Objects& objects, Guard& guard, const ScanRequest& request,
                          const ScanHooks& hooks) {
    const Registry registry(objects.registry, request.limits);
    std::vector<Detour> detours;
    const Round round{objects, guard, request, hooks, registry, detours, monotonic()};
    KSMS_TRY(auto planned, plan_round(round));
    KSMS_TRY(auto lease, lease_for(round, planned.plan));
    KSMS_TRY(auto judged, scan_under(round, std::move(planned), lease, round.started));
    bool more = !judged.cut_short;
    for (int count = 1; more && !judged.detours.empty() && count < kMostRounds; ++count) {
        // What could not be undone is tried again in the end, and told then.
        static_cast<void>(lease.undo_round());
        std::ranges::move(judged.detours, std::back_inserter(detours));
        judged.detours.clear();
        more = take_next(another_round(round, lease), judged);
    }
    add_warnings(lease.undo(), judged.report.warnings);
    return std::move(judged.report);
}

}  // namespace

Result<Report> run_scan(const Objects& objects, Guard& guard, const ScanRequest& request,
                        const ScanHooks& hooks) {
    const auto started = monotonic();
    KSMS_CHECK(require_capabilities("a scan"));
    KSMS_TRY(const auto undone, reconcile(objects));
    auto result = run_rounds(objects, guard, request, hooks);
    if (!result) return result;
    add_warnings(undone, result->warnings);
    result->timing.total = monotonic() - started;
    return result;
}

Result<Report> run_scan(const PinRoot& root, const ScanRequest& request, const ScanHooks& hooks) {
    const auto started = monotonic();
    KSMS_CHECK(require_capabilities("a scan"));
    KSMS_TRY(const auto objects, Objects::open(root));
    KSMS_TRY(auto guard, Guard::start(objects));
    auto result = run_scan(objects, guard, request, hooks);
    if (result) result->timing.total = monotonic() - started;
    return result;
}

}  // namespace ksms
