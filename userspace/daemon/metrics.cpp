// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "base/clock.hpp"
#include "base/directory.hpp"
#include "base/metrics_text.hpp"
#include "taps/taps.hpp"

namespace ksms {
namespace {

constexpr PerType<const char*> kTypes{"fast", "detailed"};

void leases(MetricsText& text, const MetricsSources& from) {
    const auto use = from.health.use(from.config);
    if (!use) return;
    text.one("ksms_leases_used", "gauge", "DSCPs held by jobs", use->used);
    text.one("ksms_leases_free", "gauge", "DSCPs that can be allocated now", use->free());
    text.one("ksms_leases_capacity", "gauge", "DSCPs that can be held at once", use->capacity);
    text.one("ksms_lease_utilization_ratio", "gauge", "used DSCPs divided by capacity",
             use->ratio());
    text.one("ksms_lease_utilization_warning_ratio", "gauge", "utilization warning threshold",
             from.config.utilization_warning);
    text.one("ksms_lease_waiters", "gauge", "callers that wait for a DSCP", use->waiting);
    text.head("ksms_lease_wait_seconds", "histogram", "time that jobs waited for a DSCP");
    text.histogram("ksms_lease_wait_seconds", "", from.board.figures().lease_wait);
    text.one("ksms_leases_allocated_total", "counter", "DSCPs allocated", use->figures.allocated);
    text.one("ksms_leases_refused_total", "counter", "allocations refused", use->figures.refused);
    text.head("ksms_leases_reaped_total", "counter", "leases reaped, by cause");
    text.value("ksms_leases_reaped_total", "cause=\"owner_ended\"", use->figures.reaped_exit);
    text.value("ksms_leases_reaped_total", "cause=\"time_over\"", use->figures.reaped_time);
}

void jobs(MetricsText& text, const MetricsSources& from) {
    const auto& figures = from.board.figures();
    const auto counts = from.board.counts();
    text.head("ksms_jobs", "gauge", "unfinished jobs");
    for (std::size_t i = 0; i < kTypes.size(); ++i) {
        text.value("ksms_jobs", fmt::format("state=\"queued\",type=\"{}\"", kTypes.at(i)),
                   counts.queued.at(i));
        text.value("ksms_jobs", fmt::format("state=\"running\",type=\"{}\"", kTypes.at(i)),
                   counts.running.at(i));
    }
    text.head("ksms_jobs_submitted_total", "counter", "jobs accepted");
    for (std::size_t i = 0; i < kTypes.size(); ++i)
        text.value("ksms_jobs_submitted_total", fmt::format("type=\"{}\"", kTypes.at(i)),
                   figures.submitted.at(i));
    text.head("ksms_jobs_finished_total", "counter", "finished jobs");
    for (std::size_t i = 0; i < kTypes.size(); ++i)
        for (const char* outcome : {"done", "failed", "cancelled", "interrupted"}) {
            const auto& by = figures.finished.at(i);
            const auto found = by.find(outcome);
            text.value("ksms_jobs_finished_total",
                       fmt::format("type=\"{}\",outcome=\"{}\"", kTypes.at(i), outcome),
                       found == by.end() ? std::uint64_t{0} : found->second);
        }
    text.head("ksms_jobs_rejected_total", "counter", "jobs rejected");
    for (const char* reason : {"queue_full", "user_limit", "rate_limit", "conflict", "invalid",
                               "not_allowed", "shutting_down"}) {
        const auto found = figures.rejected.find(reason);
        text.value("ksms_jobs_rejected_total", fmt::format("reason=\"{}\"", reason),
                   found == figures.rejected.end() ? std::uint64_t{0} : found->second);
    }
    text.head("ksms_job_start_delay_seconds", "histogram", "time from submission to start");
    for (std::size_t i = 0; i < kTypes.size(); ++i)
        text.histogram("ksms_job_start_delay_seconds", fmt::format("type=\"{}\"", kTypes.at(i)),
                       figures.start_delay.at(i));
    const auto now = realtime_s();
    text.one("ksms_queue_oldest_seconds", "gauge", "time that the oldest queued job has waited",
             counts.oldest_queued == 0 ? 0.0 : now - counts.oldest_queued);
}

void scans(MetricsText& text, const MetricsSources& from) {
    const auto& figures = from.board.figures();
    text.head("ksms_scan_seconds", "histogram", "run time of jobs that are done");
    for (std::size_t i = 0; i < kTypes.size(); ++i)
        text.histogram("ksms_scan_seconds", fmt::format("type=\"{}\"", kTypes.at(i)),
                       figures.scan.at(i));
    text.head("ksms_verdicts_total", "counter", "services judged, end to end");
    text.value("ksms_verdicts_total", "result=\"yes\"", figures.yes);
    text.value("ksms_verdicts_total", "result=\"no\"", figures.no);
    text.value("ksms_verdicts_total", "result=\"unknown\"", figures.unknown);
    text.value("ksms_verdicts_total", "result=\"mixed\"", figures.mixed);
    text.one("ksms_probes_sent_total", "counter", "probes sent", figures.sent);
    text.one("ksms_probes_resent_total", "counter", "probes retransmitted", figures.resent);
    text.one("ksms_probes_lost_total", "counter", "services whose probes were all lost",
             figures.lost);
    std::uint64_t scan = 0, standing = 0;
    [[maybe_unused]] const auto counted =
        from.objects.taps.for_each([&](const std::uint32_t&, const ksms_tap& tap) {
            ++(tap.owner_pid == 0 ? standing : scan);
        });
    text.head("ksms_taps_attached", "gauge", "attached taps");
    text.value("ksms_taps_attached", "kind=\"scan\"", scan);
    text.value("ksms_taps_attached", "kind=\"standing\"", standing);
}

void scheduler(MetricsText& text, const MetricsSources& from) {
    const auto mode = from.board.mode();
    const bool less = mode.why == SchedulerMode::Why::shortage;
    text.one("ksms_scheduler_parallel_configured", "gauge", "max_parallel_fast_jobs",
             from.config.parallel_execution ? from.config.max_parallel_fast_jobs : 1U);
    text.one("ksms_scheduler_parallel_limit", "gauge", "fast jobs that can run at once now",
             mode.fast);
    text.one("ksms_scheduler_degraded", "gauge", "1 while fewer than configured can run",
             less ? 1 : 0);
    text.head("ksms_workers", "gauge", "worker processes");
    text.value("ksms_workers", "state=\"busy\"", from.board.pool().busy());
    text.value("ksms_workers", "state=\"idle\"", from.board.pool().idle());
    text.one("ksms_workers_died_total", "counter", "worker processes that died during a job",
             from.board.pool().died());
}

void records(MetricsText& text, const MetricsSources& from) {
    text.one("ksms_registry_check_timestamp_seconds", "gauge",
             "time of the last registry check, seconds since the epoch",
             fmt::format("{:.3f}", from.health.checked_at()));
    text.one("ksms_registry_check_findings", "gauge",
             "findings of the last registry check that could not be repaired",
             from.health.open_findings());
    const auto& records = from.board.records();
    const bool up = from.board.unsaved() == 0 && records.state().has_value();
    text.one("ksms_database_up", "gauge", "1 if jobs are written to the database", up ? 1 : 0);
    text.one("ksms_database_size_bytes", "gauge", "size of the database files",
             records.facts().bytes);
    text.one("ksms_database_jobs", "gauge", "jobs in the database", records.facts().jobs);
    text.one("ksms_database_errors_total", "counter", "failed database reads and writes",
             records.errors());
}

std::uint64_t resident_bytes() {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                     std::fclose);
    unsigned long size = 0, resident = 0;
    if (!file || std::fscanf(file.get(), "%lu %lu", &size, &resident) != 2) return 0;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t open_descriptors() {
    const auto found = list_directory("/proc/self/fd");
    return found && !found->empty() ? found->size() - 1 : 0;  // without the directory's own
}

void front(MetricsText& text, const MetricsSources& from) {
    text.one("ksms_http_accept_failures_total", "counter",
             "accepts that failed for lack of descriptors or memory", from.front.accept_failures);
    text.one("ksms_http_restarts_total", "counter", "restarts of the HTTP process",
             from.front.restarts);
}

void process(MetricsText& text, const MetricsSources& from) {
    text.head("ksms_build_info", "gauge", "always 1");
    text.value("ksms_build_info", fmt::format("version=\"{}\"", from.version), 1);
    text.one("ksms_process_start_time_seconds", "gauge", "start time, seconds since the epoch",
             fmt::format("{:.3f}", from.started_at));
    text.one("ksms_process_resident_memory_bytes", "gauge",
             "resident memory of ksmsd without its workers", resident_bytes());
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    text.one("ksms_process_cpu_seconds_total", "counter", "user and system CPU time",
             seconds(used.ru_utime) + seconds(used.ru_stime));
    text.one("ksms_process_open_fds", "gauge", "open descriptors", open_descriptors());
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    text.one("ksms_process_max_fds", "gauge", "limit of open descriptors", limit.rlim_cur);
    if (from.watch == nullptr) return;
    const auto& loop = from.watch->figures();
    text.head("ksms_loop_delay_seconds", "histogram", "scheduling delay of the main thread");
    text.histogram("ksms_loop_delay_seconds", "", loop.delay);
    text.one("ksms_loop_stalls_total", "counter", "delays of half a second or more", loop.stalls);
}

}  // namespace

std::string metrics_text(const MetricsSources& from) {
    MetricsText text;
    leases(text, from);
    jobs(text, from);
    scans(text, from);
    scheduler(text, from);
    records(text, from);
    front(text, from);
    process(text, from);
    return text.take();
}

}  // namespace ksms
