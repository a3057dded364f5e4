// SPDX-License-Identifier: BSD-2-Clause
#include "queue/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ksms {
namespace {

using namespace std::chrono_literals;

/// Fallback deadlines in case a wake-up is lost.
constexpr Scheduler::Time first_retry = 1s;
constexpr unsigned most_doublings = 4;
constexpr Scheduler::Time own_retry = 5s;
constexpr unsigned most_shortages = 8;

}  // namespace

void Scheduler::reload(const SchedulerLimits& limits) {
    limits_ = limits;
    lease_freed();  // the range may have grown
}

bool Scheduler::add(const Added& job) {
    if (jobs_.contains(job.id) || ids_.contains(job.sequence)) return false;
    const Entry entry{
        .sequence = job.sequence, .type = job.type, .user = job.user, .wish = job.dscp, .dscp = {}};
    const auto& added = jobs_.emplace(job.id, entry).first->second;
    ids_.emplace(job.sequence, job.id);
    // A new user comes after those who have waited, also if he submits one short job after the
    // other.
    ++users_.try_emplace(job.user, User{.served = given_}).first->second.jobs;
    line_up(added);
    return true;
}

std::optional<std::string> Scheduler::next(Time now) {
    forget_what_is_over(now);
    if (starting_ || dry_until_ || throttle_.paused_until()) return std::nullopt;
    std::optional<Turn> turn;
    for (const auto type : {JobType::fast, JobType::detailed}) {
        const auto its = has_slot(type) ? first(type) : std::nullopt;
        if (its && (!turn || *its < *turn)) turn = its;
    }
    if (!turn) return std::nullopt;
    starting_ = ids_.at(turn->sequence);
    auto& entry = jobs_.at(*starting_);
    leave_line(entry);
    entry.phase = Phase::starting;
    users_.at(entry.user).served = ++given_;
    freed_meanwhile_ = false;
    return starting_;
}

std::optional<Scheduler::Time> Scheduler::next_deadline() const {
    if (starting_ || waiting() == 0) return std::nullopt;
    if (dry_until_ || throttle_.paused_until())
        return std::max(dry_until_.value_or(Time::min()),
                        throttle_.paused_until().value_or(Time::min()));
    auto first = aside_until_;
    for (const auto& [dscp, again] : refused_)
        if (!first || again < *first) first = again;
    return first;
}

void Scheduler::forget_what_is_over(Time now) {
    throttle_.tick(now);
    if (dry_until_ && now >= *dry_until_) dry_until_.reset();
    std::erase_if(refused_, [&](const auto& refused) { return now >= refused.second; });
    if (aside_until_ && now >= *aside_until_) bring_back_aside();
}

bool Scheduler::leased(const std::string& id, std::optional<int> dscp) {
    if (starting_ != id) return false;
    if (dscp) {
        const auto before = holders_.find(*dscp);
        if (before != holders_.end()) jobs_.at(before->second).dscp.reset();
        holders_.insert_or_assign(*dscp, id);
    }
    auto& entry = jobs_.at(id);
    entry.phase = Phase::running;
    entry.dscp = dscp;
    ++running_[index(entry.type)];
    ++users_.at(entry.user).running[index(entry.type)];
    starting_.reset();
    refusals_ = 0;
    return true;
}

Returned Scheduler::no_lease(const std::string& id, Time now, bool own_dscp) {
    if (starting_ != id) return Returned::unknown;
    auto& entry = jobs_.at(id);
    const auto wish = entry.wish;
    const auto returned = back(id, entry);
    // A DSCP was released between request and answer: ask again at once.
    if (freed_meanwhile_ || returned == Returned::cancelled) return returned;
    if (wish) {
        refused_[*wish] = now + own_retry;
    } else if (own_dscp) {
        leave_line(entry);
        aside_.insert(entry.sequence);
        if (!aside_until_) aside_until_ = now + own_retry;
    } else {
        dry_until_ = now + first_retry * (1U << std::min(refusals_, most_doublings));
        ++refusals_;
    }
    return returned;
}

void Scheduler::lease_freed() {
    freed_meanwhile_ = true;
    dry_until_.reset();
    refusals_ = 0;
    refused_.clear();
    bring_back_aside();
}

Returned Scheduler::short_of(const std::string& id, const std::string& what, Time now) {
    auto* const entry = active(id);
    if (entry == nullptr) return Returned::unknown;
    const bool ran_alone = running() + (starting_ ? 1 : 0) == 1;
    throttle_.shortage(what, now);
    if (ran_alone && ++entry->shortages >= most_shortages && !entry->cancelled) {
        remove(id);
        return Returned::given_up;
    }
    return back(id, *entry);
}

Returned Scheduler::requeue(const std::string& id) {
    auto* const entry = active(id);
    return entry == nullptr ? Returned::unknown : back(id, *entry);
}

void Scheduler::finished(const std::string& id, Time now) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return;
    const bool ran = found->second.phase == Phase::running;
    const bool waited = found->second.phase == Phase::waiting;
    remove(id);
    if (!waited) lease_freed();
    if (ran) throttle_.finished(one_in_all_configured() ? 1 : configured_fast() + 1, now);
}

Cancelled Scheduler::cancel(const std::string& id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return Cancelled::unknown;
    if (found->second.phase == Phase::waiting) {
        remove(id);
        return Cancelled::removed;
    }
    found->second.cancelled = true;
    return Cancelled::stop;
}

std::optional<int> Scheduler::dscp_of(const std::string& id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? std::nullopt : found->second.dscp;
}

std::size_t Scheduler::waiting() const {
    return jobs_.size() - running() - (starting_ ? 1 : 0);
}

}  // namespace ksms
