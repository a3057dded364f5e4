// SPDX-License-Identifier: BSD-2-Clause
// Random events for the scheduler and a model of the kernel with its DSCPs. After each: no DSCP is
// used twice, no more jobs run than allowed, and a job starts whenever one can.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "queue/scheduler.hpp"

using namespace ksms;
using namespace std::chrono_literals;

namespace {

using Time = Scheduler::Time;

/// Cheaper than REQUIRE, which counts every success.
void must(bool holds, int line = __builtin_LINE()) {
    if (!holds) FAIL("line " << line);
}

void must_not(bool holds, int line = __builtin_LINE()) {
    must(!holds, line);
}

class Model {
public:
    explicit Model(unsigned seed) : random_(seed), scheduler_(make_limits()) {}

    void run(int events) {
        for (int i = 0; i < events; ++i) {
            now_ += std::chrono::milliseconds(roll(300));
            event();
            pump();
            check();
        }
        drain();
    }

private:
    enum class Phase { waiting, starting, running, gave_back };
    struct Job {
        std::uint64_t sequence;
        JobType type;
        std::uint32_t user;
        std::optional<int> wish;
        Phase phase{Phase::waiting};
        std::optional<int> dscp;  ///< that the kernel says it holds
        bool cancelled{false};
    };

    SchedulerLimits make_limits() {
        limits_.max_parallel_fast_jobs = 1 + roll(4);
        limits_.most_user = 1 + roll(4);
        limits_.leases = 1 + roll(6);
        limits_.parallel = roll(4) != 0;
        return limits_;
    }
    unsigned roll(unsigned sides) { return static_cast<unsigned>(random_() % sides); }

    std::string any_of(Phase phase) {
        std::vector<std::string> ids;
        for (const auto& [id, job] : jobs_)
            if (job.phase == phase) ids.push_back(id);
        return ids.empty() ? std::string() : ids[roll(static_cast<unsigned>(ids.size()))];
    }

    void event() {
        switch (roll(14)) {
            case 0:
            case 1: submit(); break;
            case 2: others(); break;
            case 3: give_back(); break;
            case 4:
            case 5: end(any_of(roll(2) == 0 ? Phase::gave_back : Phase::running)); break;
            case 6: cancel(); break;
            case 7: comes_back(); break;
            case 8: nonsense(); break;
            case 9: reload(); break;
            default: answer(); break;
        }
    }

    void submit() {
        if (jobs_.size() > 40) return;
        Job job{++sequence_, roll(3) == 0 ? JobType::detailed : JobType::fast, roll(4), {}, {}, {}};
        if (roll(5) == 0) job.wish = static_cast<int>(roll(limits_.leases));
        const auto id = std::to_string(sequence_);
        must(scheduler_.add({id, job.sequence, job.type, job.user, job.wish}));
        jobs_.emplace(id, job);
    }

    /// Another program takes or releases a DSCP; sometimes without a notification.
    void others() {
        const int dscp = static_cast<int>(roll(limits_.leases));
        if (others_.erase(dscp) != 0) {
            if (roll(3) != 0) release_is_told();
        } else if (is_free(dscp)) {
            others_.insert(dscp);
        }
    }

    /// A worker releases its DSCP; the end of its job is reported later.
    void give_back() {
        const auto id = any_of(Phase::running);
        if (id.empty()) return;
        jobs_.at(id).phase = Phase::gave_back;
        jobs_.at(id).dscp.reset();
    }

    void end(const std::string& id) {
        if (id.empty()) return;
        jobs_.erase(id);
        scheduler_.finished(id, now_);
        refused_ = false;
    }

    void cancel() {
        if (jobs_.empty()) return;
        auto job = jobs_.begin();
        std::advance(job, roll(static_cast<unsigned>(jobs_.size())));
        const bool waits = job->second.phase == Phase::waiting;
        must(scheduler_.cancel(job->first) == (waits ? Cancelled::removed : Cancelled::stop));
        if (waits)
            jobs_.erase(job);
        else
            job->second.cancelled = true;
    }

    void returned(const std::string& id, Returned how) {
        auto& job = jobs_.at(id);
        job.dscp.reset();
        if (how != Returned::waiting) {
            must(job.cancelled || how == Returned::given_up);
            jobs_.erase(id);
            return;
        }
        must_not(job.cancelled);
        job.phase = Phase::waiting;
    }

    /// A running job is requeued.
    void comes_back() {
        const auto id = any_of(roll(2) == 0 ? Phase::running : Phase::gave_back);
        if (id.empty() || roll(3) != 0) return;
        if (roll(2) == 0) {
            returned(id, scheduler_.requeue(id));
        } else {
            returned(id, scheduler_.short_of(id, "memory", now_));
            paused_until_ = now_ + 30s;
        }
        refused_ = false;
    }

    /// Late or unexpected reports change nothing.
    void nonsense() {
        const auto waiting = any_of(Phase::waiting);
        const auto running = any_of(Phase::running);
        must_not(scheduler_.leased("none", 1));
        must(scheduler_.requeue("none") == Returned::unknown);
        must(scheduler_.short_of("none", "memory", now_) == Returned::unknown);
        scheduler_.finished("none", now_);
        if (!waiting.empty()) {
            must_not(scheduler_.leased(waiting, 1));
            must(scheduler_.no_lease(waiting, now_) == Returned::unknown);
            must(scheduler_.requeue(waiting) == Returned::unknown);
            must_not(scheduler_.add({waiting, ++sequence_, JobType::fast, 0, {}}));
        }
        if (!running.empty()) {
            must_not(scheduler_.leased(running, 1));
            must(scheduler_.no_lease(running, now_) == Returned::unknown);
        }
    }

    void reload() {
        if (roll(20) != 0) return;
        limits_.max_parallel_fast_jobs = 1 + roll(4);
        limits_.most_user = 1 + roll(4);
        limits_.parallel = roll(4) != 0;
        scheduler_.reload(limits_);
        release_is_told();
    }

    /// The outcome for the starting job.
    void answer() {
        const auto id = any_of(Phase::starting);
        if (id.empty()) return;
        auto& job = jobs_.at(id);
        const auto fate = roll(12);
        if (fate == 0) return end(id);
        if (fate == 1) return returned(id, scheduler_.requeue(id));
        if (fate == 2) {
            paused_until_ = now_ + 30s;
            return returned(id, scheduler_.short_of(id, "memory", now_));
        }
        for (int dscp = 0; dscp < static_cast<int>(limits_.leases); ++dscp) {
            if (!is_free(dscp) || job.wish.value_or(dscp) != dscp) continue;
            must(scheduler_.leased(id, dscp));
            job.phase = Phase::running;
            job.dscp = dscp;
            return;
        }
        refused_ = true;
        returned(id, scheduler_.no_lease(id, now_, job.wish.has_value()));
    }

    bool is_free(int dscp) const {
        return !others_.contains(dscp) && std::ranges::none_of(jobs_, [dscp](const auto& each) {
            return each.second.dscp == dscp;
        });
    }

    void release_is_told() {
        scheduler_.lease_freed();
        refused_ = false;
    }

    void pump() {
        if (const auto id = scheduler_.next(now_)) {
            auto& job = jobs_.at(*id);
            must(job.phase == Phase::waiting);
            // No job of the same user with the same demands is overtaken.
            for (const auto& [other, older] : jobs_)
                if (older.phase == Phase::waiting && older.user == job.user &&
                    older.type == job.type && older.sequence < job.sequence)
                    must(older.wish.has_value());
            job.phase = Phase::starting;
        }
    }

    std::size_t active(auto condition) const {
        return static_cast<std::size_t>(std::ranges::count_if(jobs_, [&](const auto& each) {
            const auto& job = each.second;
            return (job.phase == Phase::running || job.phase == Phase::gave_back) && condition(job);
        }));
    }

    /// True if the rules in the header let this job start, given a free DSCP.
    bool has_slot(const Job& job) const {
        if (!limits_.parallel || scheduler_.mode().why == SchedulerMode::Why::shortage)
            return active([](const Job&) { return true; }) == 0;
        const auto fast = std::min(limits_.max_parallel_fast_jobs, limits_.leases);
        const auto of_type = active([&](const Job& each) { return each.type == job.type; });
        if (job.type == JobType::detailed) return of_type == 0;
        if (job.user == 0) return of_type < fast;
        const auto is_fast = [](const Job& each) { return each.type == JobType::fast; };
        const auto own =
            active([&](const Job& each) { return is_fast(each) && each.user == job.user; });
        const auto root = active([&](const Job& each) { return is_fast(each) && each.user == 0; });
        const auto reserve = fast >= 2 && root == 0 ? 1U : 0U;
        return own < limits_.most_user && of_type + reserve < fast;
    }

    void check() {
        const auto fast = active([](const Job& job) { return job.type == JobType::fast; });
        const auto all = active([](const Job&) { return true; });
        must(scheduler_.running() == all);
        must(all - fast <= 1);
        std::size_t waiting = 0;
        for (const auto& [id, job] : jobs_) {
            waiting += job.phase == Phase::waiting ? 1 : 0;
            if (job.dscp) must(scheduler_.dscp_of(id) == job.dscp);
        }
        must(scheduler_.waiting() == waiting);
        if (scheduler_.starting()) return;
        const bool can = std::ranges::any_of(jobs_, [&](const auto& each) {
            return each.second.phase == Phase::waiting && !each.second.wish &&
                   has_slot(each.second);
        });
        if (!can) return;
        // Refused, or short of a resource: then there is a next deadline.
        must(refused_ || now_ < paused_until_);
        must(scheduler_.next_deadline().has_value());
        must(*scheduler_.next_deadline() <= now_ + 30s);
    }

    /// Others release all DSCPs without notification; deadlines alone must finish every job.
    void drain() {
        others_.clear();
        for (int i = 0; !jobs_.empty(); ++i) {
            must(i < 100'000);
            answer();
            pump();
            check();
            if (scheduler_.starting()) continue;
            auto id = any_of(Phase::running);
            if (id.empty()) id = any_of(Phase::gave_back);
            if (!id.empty())
                end(id);
            else if (const auto next = scheduler_.next_deadline())
                now_ = std::max(now_, *next);
        }
    }

    std::mt19937 random_;
    SchedulerLimits limits_;
    Scheduler scheduler_;
    Time now_{0};
    std::uint64_t sequence_{0};
    std::map<std::string, Job> jobs_;
    std::set<int> others_;
    bool refused_{false};  ///< since a release was told
    Time paused_until_{0};
};

}  // namespace

TEST_CASE("scheduler: a million random steps never leave a runnable job waiting") {
    for (unsigned seed = 1; seed <= 500; ++seed) {
        INFO("seed " << seed);
        Model(seed).run(2000);
    }
}
