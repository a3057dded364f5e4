// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/job_run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/text.hpp"
#include "daemon/allowance.hpp"
#include "evidence/so_far.hpp"
#include "explain/explain.hpp"
#include "os/process.hpp"
#include "output/explain.hpp"
#include "output/json.hpp"
#include "output/words.hpp"
#include "registry/registry.hpp"
#include "request/scan_request.hpp"
#include "scan/scan.hpp"

namespace ksms {
namespace {

using nlohmann::json;

// How long a detailed job waits for an `explain` of the command line.
constexpr std::chrono::seconds kTurnWait{60};
// Verdict events of one job. The result has all of them.
constexpr std::size_t kMostVerdicts = kMostSoFar;

RunEnd end_of(const Error& error, bool stopped) {
    RunEnd end;
    end.error = error_object(error);
    end.what = shortage(error);
    if (stopped)
        end.how = RunEnd::How::stopped;
    else if (error.code == Code::no_dscp)
        end.how = RunEnd::How::no_dscp;
    else if (!end.what.empty())
        end.how = RunEnd::How::short_of;
    return end;
}

void count(const Report& report, const ServiceReport& service, RunEnd& end) {
    switch (service.result) {
        case Verdict::yes: ++end.yes; break;
        case Verdict::no: ++end.no; break;
        case Verdict::unknown: ++end.unknown; break;
        case Verdict::mixed: ++end.mixed; break;
    }
    end.sent += service.sent;
    end.resent += service.sent > 1 ? service.sent - 1 : 0;
    const bool lost = service.result == Verdict::unknown && reason_text(report, service) == "lost";
    end.lost += lost ? 1 : 0;
}

json text_or_null(const std::string& text) {
    return text.empty() ? json(nullptr) : json(valid_utf8(text));
}

json verdict_of(const Report& report, const ServiceReport& service) {
    return {{"port", service.service.port},
            {"protocol", protocol_name(service.service.protocol)},
            {"result", name_of(service.result)},
            {"stopped_at", text_or_null(stopped_at(report, service))},
            {"why", text_or_null(why_text(report, service))}};
}

/// Like the exit status of `ksmsctl scan`: a job with only UNKNOWN has failed, but keeps its
/// document.
RunEnd concluded(RunEnd end, ScanState state, const std::string& failure) {
    if (state == ScanState::interrupted)
        end.how = RunEnd::How::stopped;
    else if (end.yes + end.no + end.mixed == 0)
        end.error = error_object({Code::failed, 0, "every verdict is UNKNOWN: " + failure, {}});
    else
        end.how = RunEnd::How::done;
    return end;
}

class Run {
public:
    Run(const PinRoot& root, const Order& order, const RunSink& sink, Workbench& bench,
        const std::atomic<int>& stop)
        : root_(root),
          id_(order.id),
          namespaces_(order.namespaces),
          sink_(sink),
          bench_(bench),
          stop_(stop) {}

    RunEnd scan(const ScanRequest& request) {
        ScanHooks hooks;
        hooks.progress = progress();
        hooks.so_far = [this](const Report& report) { tell_verdict(report, 0, true); };
        hooks.leased = leased();
        hooks.stop = &stop_;
        hooks.planned = [this, keep = request.tap == TapHooks::tc](
                            const Plan& plan, const Network& network) -> Status {
            KSMS_CHECK(allows(namespaces_, plan));
            if (keep) bench_.keep(plan, network);
            return {};
        };
        auto report = run_scan(bench_.objects(), bench_.guard(), request, hooks);
        if (!report) return not_run(request, report.error());
        report->job = id_;
        report->trails.clear();  // for who asks with -v
        tell_verdicts(*report);
        std::string document;
        write_scan_json(*report, false, [&](std::string_view piece) { document += piece; });
        sink_.result(document);
        RunEnd end;
        for (const auto& service : report->services) count(*report, service, end);
        return concluded(end, report->state, failure_text(*report));
    }

    /// Holds one DSCP for all scans of the job; they borrow the lease by the job's name.
    RunEnd explain(ScanRequest request) {
        const auto pins = RegistryPins::open(root_);
        if (!pins) return end_of(pins.error(), false);
        const Registry registry(*pins, request.limits);
        const auto lease = allocate(registry, request);
        if (!lease) return not_run(request, lease.error());
        const Defer give_back([&] {
            [[maybe_unused]] const auto given = registry.release(lease->dscp, lease->generation);
        });
        sink_.event("leased", {{"dscp", lease->dscp}});
        request.wait = kTurnWait;
        ExplainHooks hooks;
        hooks.progress = progress();
        hooks.stop = &stop_;
        hooks.planned = [this](const Plan& plan, const Network&) {
            return allows(namespaces_, plan);
        };
        auto explained = run_explain(root_, request, hooks);
        if (!explained) return end_of(explained.error(), stop_ != 0);
        for (auto& service : explained->services)
            if (!service.scan.job.empty()) service.scan.job = id_;
        RunEnd end;
        for (const auto& service : explained->services) {
            count(service.scan, service.end(), end);
            auto verdict = verdict_of(service.scan, service.end());
            verdict["so_far"] = false;
            sink_.event("verdict", verdict);
        }
        std::string document;
        write_explain_json(*explained, false, [&](std::string_view piece) { document += piece; });
        sink_.result(document);
        return concluded(end, explained->state, failure_text(*explained));
    }

private:
    /// Tells a lease name that is taken (no_name) from a shortage of DSCPs (no_dscp).
    RunEnd not_run(const ScanRequest& request, const Error& error) const {
        auto end = end_of(error, stop_ != 0);
        if (end.how != RunEnd::How::no_dscp || request.dscp) return end;
        const Registry registry(bench_.objects().registry, request.limits);
        if (registry.find_job(request.job)) end.how = RunEnd::How::no_name;
        return end;
    }

    std::function<void(const ScanProgress&)> progress() {
        return [this](const ScanProgress& now) {
            sink_.event("progress", {{"stage", now.stage},
                                     {"sent", now.sent},
                                     {"accounted", now.accounted},
                                     {"probes", now.probes},
                                     {"elapsed_ms", now.elapsed / std::chrono::milliseconds(1)},
                                     {"left_ms", now.left / std::chrono::milliseconds(1)}});
        };
    }

    Result<Lease> allocate(const Registry& registry, const ScanRequest& request) const {
        LeaseRequest wanted;
        wanted.job = request.job;
        wanted.user = request.user;
        wanted.dscp = request.dscp;
        KSMS_TRY(wanted.owner, this_process());
        return registry.allocate(wanted, request.wait, &stop_);
    }

    std::function<void(std::uint8_t)> leased() {
        return [this](std::uint8_t dscp) { sink_.event("leased", {{"dscp", dscp}}); };
    }

    void tell_verdicts(const Report& report) {
        const auto most = std::min(report.services.size(), kMostVerdicts);
        for (std::size_t i = 0; i < most; ++i) tell_verdict(report, i, false);
    }

    /// @param so_far  preliminary: it may change, and is sent again at the end of the scan
    void tell_verdict(const Report& report, std::size_t service, bool so_far) {
        auto verdict = verdict_of(report, report.services[service]);
        verdict["so_far"] = so_far;
        auto& routers = verdict["routers"] = json::array();
        for (const auto& router : report.routers) {
            const auto& at = router.services[service];
            if (!at.on_path) continue;
            routers.push_back({{"name", router.name},
                               {"entry", router.entry},
                               {"hop", router.hop},
                               {"result", name_of(at.result)},
                               {"stopped_before", at.stopped_before()}});
        }
        sink_.event("verdict", verdict);
    }

    const PinRoot& root_;
    const std::string& id_;
    const std::vector<std::string>& namespaces_;
    const RunSink& sink_;
    Workbench& bench_;
    const std::atomic<int>& stop_;
};

}  // namespace

RunEnd run_job(Order order, const RunSink& sink, Workbench& bench, const std::atomic<int>& stop) {
    auto root = PinRoot::choose(order.pin_root, {});
    if (!root) return end_of(root.error(), false);
    if (const auto known = surround(order.request, Environment::read()); !known)
        return end_of(known.error(), false);
    if (const auto ready = bench.prepare(*root); !ready) return end_of(ready.error(), false);
    Run run(*root, order, sink, bench, stop);
    return order.detailed ? run.explain(order.request) : run.scan(order.request);
}

}  // namespace ksms
