// SPDX-License-Identifier: BSD-2-Clause
// Queues, slots and the mode of the scheduler.
#include <fmt/format.h>

#include <algorithm>

#include "queue/scheduler.hpp"

namespace ksms {
unsigned Scheduler::configured_fast() const {
    return std::max(1U, std::min(limits_.max_parallel_fast_jobs, limits_.leases));
}

bool Scheduler::one_in_all_configured() const {
    return !limits_.parallel || !limits_.registry_enabled;
}

bool Scheduler::one_in_all() const {
    return one_in_all_configured() || throttle_.limit() == 1U;
}

bool Scheduler::has_slot(JobType type) const {
    if (one_in_all()) return running() == 0;
    if (throttle_.limit() && running() >= *throttle_.limit()) return false;
    return running_[index(type)] < (type == JobType::fast ? configured_fast() : 1);
}

bool Scheduler::may_have(std::optional<int> wish) const {
    return !wish || (!refused_.contains(*wish) && !holders_.contains(*wish));
}

bool Scheduler::has_slot(JobType type, std::uint32_t uid, const User& user) const {
    if (type != JobType::fast || uid == 0) return true;
    const auto most = std::max(1U, std::min(limits_.most_user, configured_fast()));
    if (user.running[index(type)] >= most) return false;
    // One of two or more is reserved for root.
    if (configured_fast() < 2) return true;
    const auto root = users_.find(0);
    const auto of_root = root == users_.end() ? 0 : root->second.running[index(type)];
    return of_root > 0 || running_[index(type)] + 1 < configured_fast();
}

std::optional<std::uint64_t> Scheduler::oldest(const Lines& lines) const {
    std::optional<std::uint64_t> first;
    for (const auto& [wish, line] : lines)
        if (!line.empty() && may_have(wish) && (!first || *line.begin() < *first))
            first = *line.begin();
    return first;
}

std::optional<Scheduler::Turn> Scheduler::first(JobType type) const {
    std::optional<Turn> first;
    for (const auto& [uid, user] : users_) {
        if (!has_slot(type, uid, user)) continue;
        const auto sequence = oldest(user.lines[index(type)]);
        if (!sequence) continue;
        const Turn turn{user.running[0] + user.running[1], user.served, *sequence};
        if (!first || turn < *first) first = turn;
    }
    return first;
}

void Scheduler::line_up(const Entry& entry) {
    users_.at(entry.user).lines[index(entry.type)][entry.wish].insert(entry.sequence);
}

void Scheduler::leave_line(const Entry& entry) {
    auto& lines = users_.at(entry.user).lines[index(entry.type)];
    const auto line = lines.find(entry.wish);
    if (line != lines.end()) {
        line->second.erase(entry.sequence);
        if (line->second.empty()) lines.erase(line);
    }
    aside_.erase(entry.sequence);
}

void Scheduler::bring_back_aside() {
    for (const auto sequence : aside_) line_up(jobs_.at(ids_.at(sequence)));
    aside_.clear();
    aside_until_.reset();
}

void Scheduler::leave_slot(Entry& entry) {
    if (entry.phase == Phase::starting) starting_.reset();
    if (entry.phase == Phase::running) {
        --running_[index(entry.type)];
        --users_.at(entry.user).running[index(entry.type)];
        if (entry.dscp) holders_.erase(*entry.dscp);
        entry.dscp.reset();
        lease_freed();
    }
    entry.phase = Phase::waiting;
}

Returned Scheduler::back(const std::string& id, Entry& entry) {
    if (entry.cancelled) {
        remove(id);
        return Returned::cancelled;
    }
    leave_slot(entry);
    line_up(entry);
    return Returned::waiting;
}

void Scheduler::remove(const std::string& id) {
    const auto found = jobs_.find(id);
    leave_line(found->second);
    leave_slot(found->second);
    if (--users_.at(found->second.user).jobs == 0) users_.erase(found->second.user);
    ids_.erase(found->second.sequence);
    jobs_.erase(found);
}

Scheduler::Entry* Scheduler::active(const std::string& id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || found->second.phase == Phase::waiting) return nullptr;
    return &found->second;
}

SchedulerMode Scheduler::mode() const {
    using Why = SchedulerMode::Why;
    if (!limits_.registry_enabled)
        return {1, true, Why::no_registry, "one job at a time: the DSCP registry is disabled"};
    if (!limits_.parallel)
        return {1, true, Why::serial, "one job at a time: ksms_parallel_execution is false"};
    if (const auto limit = throttle_.limit())
        return {std::min(*limit, configured_fast()), *limit == 1, Why::shortage,
                *limit == 1 ? fmt::format("one job at a time: not enough {}", throttle_.what())
                            : fmt::format("{} jobs at a time, slowly more: there was not enough {}",
                                          *limit, throttle_.what())};
    if (dry_until_)
        return {std::max(1U, static_cast<unsigned>(running_[0])), running() == 0, Why::no_lease,
                fmt::format("no DSCP is free: {} wait for one to be released", waiting())};
    if (limits_.leases < limits_.max_parallel_fast_jobs)
        return {configured_fast(), false, Why::configured,
                fmt::format("{} jobs at a time: the range has no more DSCPs", configured_fast())};
    return {configured_fast(), false, Why::configured, {}};
}

}  // namespace ksms
