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

struct Leased {
    Planned planned;
    ScanLease lease;
};

Result<Leased> plan_and_lease(const Round& round, const std::optional<Lease>& handed_over) {
    KSMS_TRY(auto planned, plan_round(round));
    KSMS_TRY(auto lease, lease_round(round, planned.plan, handed_over));
    KSMS_TRY(planned, plan_for_dscp(round, std::move(planned), lease.dscp()));
    if (round.hooks.planned) KSMS_CHECK(round.hooks.planned(planned.plan, *planned.network));
    return Leased{std::move(planned), std::move(lease)};
}

Result<Judged> scan_under(const Round& round, const Planned& planned, const ScanLease& lease) {
    const auto planned_at = monotonic();
    KSMS_TRY(const auto tapped, attach_taps(round, planned, lease.dscp()));
    const auto attached_at = monotonic();
    KernelNames names(round.objects);
    KSMS_TRY(const auto probed, probe_services(round, planned, lease, tapped, names));
    const auto settled_at = monotonic();
    KSMS_TRY(auto judged, judge_probes(round, planned, lease, tapped, probed, names));
    const auto sent_at = probed.sent.all_sent;
    judged.report.timing = {.plan = planned_at - round.started,
                            .attach = attached_at - planned_at,
                            .probe = sent_at - attached_at,
                            .settle = settled_at - sent_at};
    return judged;
}

/// A round more where probes went on to routers that had no taps, until none does.
Result<Report> run_rounds(const Objects& objects, Guard& guard, ScanRequest request,
                          const ScanHooks& hooks) {
    const Registry registry(objects.registry, request.limits);
    const auto deadline = deadline_of(request, monotonic());
    std::vector<Detour> detours;
    std::optional<Lease> handed_over;
    for (int count = 1;; ++count) {
        const Round round{objects, guard, request, hooks, registry, detours, monotonic()};
        KSMS_TRY(auto leased, plan_and_lease(round, handed_over));
        KSMS_TRY(auto judged, scan_under(round, leased.planned, leased.lease));
        const auto now = monotonic();
        const bool stopped = hooks.stop != nullptr && hooks.stop->load() != 0;
        if (judged.detours.empty() || count == kMostRounds || stopped || now >= deadline) {
            add_warnings(leased.lease.undo(), judged.report.warnings);
            return std::move(judged.report);
        }
        KSMS_TRY(handed_over, leased.lease.hand_over());
        std::ranges::move(judged.detours, std::back_inserter(detours));
        if (deadline != kNever) request.deadline = deadline - now;
    }
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
