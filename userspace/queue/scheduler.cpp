// SPDX-License-Identifier: BSD-2-Clause
#include "queue/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ksms {
namespace {

using namespace std::chrono_literals;

/// Fall-backs for a wake-up that was lost.
constexpr Scheduler::Time first_retry = 1s;
constexpr unsigned most_doublings = 4;
constexpr Scheduler::Time own_retry = 5s;
constexpr unsigned most_shortages = 8;

std::size_t index(JobType type) {
    return type == JobType::fast ? 0 : 1;
}

}  // namespace

void Scheduler::reload(const SchedulerLimits& limits) {
    limits_ = limits;
    lease_freed();  // the range may have grown
}

bool Scheduler::add(const std::string& id, std::uint64_t sequence, JobType type,
                    std::optional<int> dscp) {
    if (jobs_.contains(id) || ids_.contains(sequence)) return false;
    const auto& entry =
        jobs_.emplace(id, Entry{.sequence = sequence, .type = type, .wish = dscp, .dscp = {}})
            .first->second;
    ids_.emplace(sequence, id);
    line_up(entry);
    return true;
}

std::optional<std::string> Scheduler::next(Time now) {
    forget_what_is_over(now);
    if (starting_ || dry_until_ || throttle_.paused_until()) return std::nullopt;
    std::optional<std::uint64_t> first;
    for (const auto type : {JobType::fast, JobType::detailed}) {
        const auto sequence = has_slot(type) ? oldest(type) : std::nullopt;
        if (sequence && (!first || *sequence < *first)) first = sequence;
    }
    if (!first) return std::nullopt;
    starting_ = ids_.at(*first);
    auto& entry = jobs_.at(*starting_);
    leave_line(entry);
    entry.phase = Phase::starting;
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

Status Scheduler::leased(const std::string& id, std::optional<int> dscp) {
    if (starting_ != id)
        return fail(Code::failed, fmt::format("job {} is not one that starts now", id));
    if (dscp) {
        const auto [holder, is_free] = holders_.emplace(*dscp, id);
        if (!is_free)
            return fail(Code::failed,
                        fmt::format("job {} was given dscp {}, which job {} runs with", id, *dscp,
                                    holder->second));
    }
    auto& entry = jobs_.at(id);
    entry.phase = Phase::running;
    entry.dscp = dscp;
    ++running_[index(entry.type)];
    starting_.reset();
    refusals_ = 0;
    return {};
}

Returned Scheduler::no_lease(const std::string& id, Time now, bool own_dscp) {
    if (starting_ != id) return Returned::unknown;
    auto& entry = jobs_.at(id);
    const auto sequence = entry.sequence;
    const auto type = index(entry.type);
    const auto wish = entry.wish;
    const auto returned = back(id, entry);
    // A release that came between the question and its answer would be missed: asked again at once.
    if (freed_meanwhile_ || returned == Returned::cancelled) return returned;
    if (wish) {
        refused_[*wish] = now + own_retry;
    } else if (own_dscp) {
        lines_[type][std::nullopt].erase(sequence);
        aside_[type].insert(sequence);
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
