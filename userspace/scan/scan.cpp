// SPDX-License-Identifier: BSD-2-Clause
#include "scan/scan.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/clock.hpp"
#include "os/process.hpp"
#include "route/classes.hpp"
#include "scan/service_sample.hpp"
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

/// What a round has found, and what --classes had chosen for it.
struct Found {
    Judged judged;
    ServiceSample sample;
};

/// What a round found stands where the one after it does not come to its end.
/// @return whether there may be one more
bool take_next(Result<Found> next, Found& found) {
    auto& report = found.judged.report;
    if (next && !next->judged.cut_short) {
        found = std::move(*next);
        return true;
    }
    const auto why = !next ? next.error().text() : "it was cut short";
    report.state = next ? next->judged.report.state : ScanState::partial;
    report.warnings.push_back("another round was needed, and failed: " + why);
    return false;
}

/// The rounds of a scan under one lease: one more where probes went on to routers that had no taps,
/// or where services that were taken for one class are none.
class Rounds {
public:
    Rounds(const Objects& objects, Guard& guard, const ScanRequest& asked, const ScanHooks& hooks)
        : objects_(objects),
          guard_(guard),
          asked_(asked),
          hooks_(hooks),
          registry_(objects.registry, asked.limits),
          probed_(asked),
          each_(asked.services.size(), false) {}

    Result<Report> run() {
        ServiceSample sample;
        KSMS_TRY(auto planned, plan(sample));
        KSMS_TRY(auto lease, lease_for(round(probed_), planned.plan));
        KSMS_TRY(auto judged, scan_under(round(probed_), std::move(planned), lease, started_));
        Found found{std::move(judged), std::move(sample)};
        bool more = !found.judged.cut_short;
        for (int count = 1; more && is_open(found) && count < kMostRounds; ++count) {
            // What could not be undone is tried again in the end, and told then.
            static_cast<void>(lease.undo_round());
            more = take_next(next(lease), found);
        }
        auto& report = found.judged.report;
        add_warnings(lease.undo(), report.warnings);
        return asked_.classes ? found.sample.expand(std::move(report)) : std::move(report);
    }

private:
    [[nodiscard]] Round round(const ScanRequest& request) const {
        return {objects_, guard_, request, hooks_, registry_, detours_, started_};
    }

    bool is_open(Found& found) {
        auto& detours = found.judged.detours;
        const bool goes_on = !detours.empty();
        std::ranges::move(detours, std::back_inserter(detours_));
        detours.clear();
        return goes_on || (asked_.classes && found.sample.add_unlike(found.judged.report, each_));
    }

    /// What is probed, and how.
    Result<Planned> plan(ServiceSample& sample) {
        if (!asked_.classes) return plan_round(round(probed_));
        KSMS_TRY(auto planned, plan_round(round(asked_)));
        auto classes = classes_on_the_way(*planned.network, asked_, planned.plan);
        sample = ServiceSample(asked_.services, std::move(classes.class_of), each_);
        probed_.services = sample.chosen();
        if (!classes.each_alone.empty())
            planned.plan.warnings.push_back("--classes: each service is probed: " +
                                            classes.each_alone);
        if (probed_.services.size() == asked_.services.size()) return planned;
        return plan_round(round(probed_), std::move(planned.network));
    }

    /// Rules on the way may remember what the rounds before have sent.
    Result<Found> next(const ScanLease& lease) {
        const auto started = monotonic();
        probed_.sent_before = probed_.services;
        ServiceSample sample;
        KSMS_TRY(auto planned, plan(sample));
        KSMS_TRY(auto judged, scan_under(round(probed_), std::move(planned), lease, started));
        return Found{std::move(judged), std::move(sample)};
    }

    const Objects& objects_;
    Guard& guard_;
    const ScanRequest& asked_;
    const ScanHooks& hooks_;
    const Registry registry_;
    const Instant started_{monotonic()};
    ScanRequest probed_;
    std::vector<bool> each_;       ///< per service asked: --classes probes it in any case
    std::vector<Detour> detours_;  ///< what earlier rounds have seen
};

}  // namespace

Result<Report> run_scan(const Objects& objects, Guard& guard, const ScanRequest& request,
                        const ScanHooks& hooks) {
    const auto started = monotonic();
    KSMS_CHECK(require_capabilities("a scan"));
    KSMS_TRY(const auto undone, reconcile(objects));
    auto result = Rounds(objects, guard, request, hooks).run();
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
