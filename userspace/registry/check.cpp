// SPDX-License-Identifier: BSD-2-Clause
#include "registry/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "bpf/map.hpp"
#include "registry/registry.hpp"

#include "base/clock.hpp"

namespace ksms {
namespace {

// A BPF program finishes a step in microseconds, so an entry that stays between steps for this time
// is stuck. A program may be preempted on a busy machine: suspicious entries are watched longer.
constexpr std::chrono::milliseconds kFirstLook{50}, kNextLook{20};
constexpr int kLooks = 50;

template <std::size_t N>
bool is_padded(const char (&text)[N]) {
    const auto length = strnlen(text, N);
    return std::all_of(text + length, text + N, [](char c) { return c == 0; });
}

bool is_between_steps(const ksms_lease& lease) {
    const auto what = lease.state & 0xff;
    return what == KSMS_LEASE_BUSY || what == KSMS_LEASE_CLAIMED || what == KSMS_LEASE_CHANGING;
}
bool is_between_steps(const ksms_waiter& waiter) {
    const auto what = waiter.state & 0xff;
    return what == KSMS_WAITER_WRITING || what == KSMS_WAITER_SERVING;
}

/// Marks entries that have changed.
/// @return whether any entry is still between steps
template <typename V>
bool forget_changed(std::vector<V>& before, const std::vector<V>& now) {
    constexpr std::uint64_t kChanged = ~std::uint64_t{0};  // not a valid state
    bool stuck = false;
    for (std::size_t i = 0; i < now.size(); ++i) {
        if (before[i].state != now[i].state) before[i].state = kChanged;
        stuck |= before[i].state == now[i].state && is_between_steps(now[i]);
    }
    return stuck;
}

class Checker {
public:
    Checker(const RegistryPins& pins, const RegistryLimits& limits, bool repair,
            const Surroundings& surroundings)
        : pins_(pins), limits_(limits), repair_(repair), surroundings_(surroundings) {}

    Result<std::vector<Finding>> run() {
        KSMS_CHECK(map_memory());
        KSMS_TRY(before_, pins_.leases.array());
        KSMS_TRY(waiters_before_, pins_.waiters.array());
        KSMS_TRY(const auto figures, pins_.figures.lookup(0));
        KSMS_CHECK(watch());
        KSMS_CHECK(check_limits());
        for (std::uint32_t dscp = 0; dscp < KSMS_DSCPS; ++dscp) {
            check_state(dscp);
            if (is_held(now_[dscp])) check_held(dscp);
        }
        check_jobs();
        check_users();
        KSMS_CHECK(check_used());
        KSMS_CHECK(check_waiters(figures.value_or(ksms_registry{})));
        return std::move(found_);
    }

private:
    using Mend = std::function<bool(ksms_lease&)>;

    Status map_memory() {
        if (!repair_) return {};
        KSMS_TRY(leases_,
                 MappedArray<ksms_lease>::map(pins_.leases.raw().fd(), KSMS_DSCPS, "leases"));
        KSMS_TRY(owners_, MappedArray<ksms_owners>::map(pins_.owners.raw().fd(), 1, "owners"));
        KSMS_TRY(waiters_,
                 MappedArray<ksms_waiter>::map(pins_.waiters.raw().fd(), KSMS_WAITERS, "waiters"));
        KSMS_TRY(figures_,
                 MappedArray<ksms_registry>::map(pins_.figures.raw().fd(), 1, "registry"));
        return {};
    }

    Status watch() {
        pause_for(kFirstLook);
        for (int look = 0; look < kLooks; ++look) {
            KSMS_TRY(now_, pins_.leases.array());
            KSMS_TRY(const auto waiters, pins_.waiters.array());
            const bool leases_stuck = forget_changed(before_, now_);
            if (!forget_changed(waiters_before_, waiters) && !leases_stuck) break;
            pause_for(kNextLook);
        }
        return {};
    }

    /// Compares the limits in the kernel with the configured ones.
    Status check_limits() {
        KSMS_TRY(const auto now, pins_.limits.lookup(0));
        // Just installed: no lease was allocated yet.
        if (!now || now->dscps == 0) return repair_ ? set_limits(pins_, limits_) : Status();
        KSMS_TRY(const bool same, limits_in_force(pins_, limits_));
        if (same) return {};
        find("the limits in the kernel are not the configured ones",
             "root has set other limits, or none", "set right",
             [this] { return set_limits(pins_, limits_).has_value(); });
        return {};
    }

    /// Adds a finding and repairs it if requested.
    void find(std::string what, std::string why, std::string remedy,
              const std::function<bool()>& mend) {
        Finding finding{std::move(what), std::move(why), std::move(remedy), false};
        if (repair_ && mend) finding.repaired = mend();
        found_.push_back(std::move(finding));
    }

    /// Changes a lease like the BPF program: through its state word, which excludes other changes.
    std::function<bool()> on_lease(std::uint32_t dscp, ksms_lease_state to, const Mend& mend) {
        return [this, dscp, to, mend] {
            auto& lease = leases_.values()[dscp];
            auto seen = now_[dscp].state;
            const auto was = Generation::of_state(seen);
            const auto busy = was.state(KSMS_LEASE_CHANGING);
            if (!__atomic_compare_exchange_n(&lease.state, &seen, busy, false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST))
                return false;
            const bool mended = mend(lease);
            // A freed lease gets a new generation, so that packets of the old one do not count.
            const auto generation = to == KSMS_LEASE_FREE ? was.next() : was;
            __atomic_store_n(&lease.state, generation.state(to), __ATOMIC_SEQ_CST);
            now_[dscp] = lease;
            return mended;
        };
    }
    std::function<bool()> freeing(std::uint32_t dscp) {
        return on_lease(dscp, KSMS_LEASE_FREE, [this, dscp](ksms_lease& lease) {
            __atomic_fetch_and(&figures_.values()[0].in_use, ~(std::uint64_t{1} << dscp),
                               __ATOMIC_SEQ_CST);
            lease.owner_pid = 0;
            lease.owner_start = 0;
            lease.expires_ns = 0;
            lease.scanning = 0;
            std::memset(lease.job, 0, sizeof lease.job);
            std::memset(lease.user, 0, sizeof lease.user);
            return true;
        });
    }

    void check_state(std::uint32_t dscp) {
        const auto& lease = now_[dscp];
        const auto what = lease.state & 0xff;
        const bool same = before_[dscp].state == lease.state;
        if (what > KSMS_LEASE_CHANGING) {
            find(fmt::format("DSCP {}: its state {} is none", dscp, what),
                 "it is neither free nor held: nobody can have it", "freed", freeing(dscp));
        } else if (same && (what == KSMS_LEASE_BUSY || what == KSMS_LEASE_CLAIMED)) {
            find(fmt::format("DSCP {}: a process began to take it and never finished", dscp),
                 "a program of the kernel's ends in microseconds: this was written by hand; nobody "
                 "can have it",
                 "freed", freeing(dscp));
        } else if (same && what == KSMS_LEASE_CHANGING) {
            find(fmt::format("DSCP {}: a process began to change it and never finished", dscp),
                 "it can be neither renewed nor released", "held again",
                 on_lease(dscp, KSMS_LEASE_HELD, [](ksms_lease&) { return true; }));
        }
    }

    void check_held(std::uint32_t dscp) {
        const auto& lease = now_[dscp];
        const auto name = fmt::format("DSCP {} ({})", dscp, holder_of(lease));
        check_names(dscp, name);
        if (lease.dscp != dscp)
            find(fmt::format("{}: the entry says DSCP {}", name, lease.dscp),
                 "who reads it takes it for another", "set right",
                 on_lease(dscp, KSMS_LEASE_HELD, [dscp](ksms_lease& held) {
                     held.dscp = dscp;
                     return true;
                 }));
        if (lease.owner_pid == 0 && lease.expires_ns == 0) {
            find(name + ": no process owns it and no time ends it", "it would never be freed",
                 "freed", freeing(dscp));
            return;
        }
        if (is_over(lease, surroundings_)) {
            find(name + (lease.expires_ns != 0 &&
                                 instant(lease.expires_ns) <= surroundings_.monotonic()
                             ? ": its time is over"
                             : ": its owner has ended"),
                 "the kernel's hook did not see it: it was missing, or the entry was written by "
                 "hand",
                 "freed", freeing(dscp));
            return;
        }
        check_time(dscp, name);
        check_hooks(dscp, name);
        if ((range_mask(limits_) >> dscp & 1) == 0)
            find(name + ": it is outside of the configured range",
                 "other settings were in force when it was given out",
                 "nothing: it ends with its owner or its time", nullptr);
    }

    /// Checks for an end that is later than the limits allow.
    void check_time(std::uint32_t dscp, const std::string& name) {
        const auto& lease = now_[dscp];
        const auto now = surroundings_.monotonic();
        const auto longest = lease.uid == 0 ? from_ns(KSMS_LONGEST_NS) : limits_.longest;
        const auto left = instant(lease.expires_ns) - now;
        if (left <= longest) return;
        find(fmt::format("{}: it is held for {} s more, {} s is the longest", name,
                         left / std::chrono::seconds(1), longest / std::chrono::seconds(1)),
             "other limits were in force when it was given out", "it ends after the longest time",
             on_lease(dscp, KSMS_LEASE_HELD, [end = now + longest](ksms_lease& held) {
                 held.expires_ns = in_ns(end);
                 return true;
             }));
    }

    /// Checks for users other than root who hold more than their limit.
    void check_users() {
        std::map<std::uint32_t, std::uint32_t> leases;
        for (const auto& lease : now_)
            if (is_held(lease) && lease.uid != 0) ++leases[lease.uid];
        for (const auto& [uid, number] : leases)
            if (number > limits_.user_leases)
                find(fmt::format("user {} holds {} DSCPs, {} is the most of one", uid, number,
                                 limits_.user_leases),
                     "other limits were in force when they were given out",
                     "nothing: they end with their owners or their time", nullptr);
    }

    void check_names(std::uint32_t dscp, const std::string& name) {
        const auto& lease = now_[dscp];
        if (is_job_name(job_of(lease)) && is_padded(lease.job) && is_padded(lease.user)) return;
        find(name + ": its job has no proper name", "it cannot be named to renew or release it",
             fmt::format("named repaired.{}", dscp),
             on_lease(dscp, KSMS_LEASE_HELD, [dscp](ksms_lease& held) {
                 rename(held, fmt::format("repaired.{}", dscp));
                 return true;
             }));
    }

    static void rename(ksms_lease& lease, const std::string& job) {
        std::memset(lease.job, 0, sizeof lease.job);
        job.copy(lease.job, sizeof lease.job - 1);
        const auto length = strnlen(lease.user, sizeof lease.user - 1);
        std::memset(lease.user + length, 0, sizeof lease.user - length);
    }

    /// Checks what the exit hook uses, and the scan under the lease.
    void check_hooks(std::uint32_t dscp, const std::string& name) {
        const auto& lease = now_[dscp];
        const auto owners = pins_.owners.lookup(0);
        if (owners && *owners && (*owners)->lease[dscp] != lease.owner_pid)
            find(
                name + ": the exit hook does not know its owner",
                "its DSCP would stay taken after the owner's end; an entry written by hand is like "
                "that",
                "told it", [this, dscp, pid = lease.owner_pid] {
                    owners_.values()[0].lease[dscp] = pid;
                    return true;
                });
        const auto pid = ksms_process_word_pid(lease.scanning);
        if (lease.scanning != 0 && !surroundings_.alive({pid, lease.scanning >> 22}))
            find(fmt::format("{}: the scan under it, process {}, has ended", name, pid),
                 "no other scan can use it", "cleared",
                 on_lease(dscp, KSMS_LEASE_HELD, [](ksms_lease& held) {
                     held.scanning = 0;
                     return true;
                 }));
    }

    void check_jobs() {
        std::map<std::string, std::uint32_t> first;
        for (std::uint32_t dscp = 0; dscp < KSMS_DSCPS; ++dscp) {
            const auto& lease = now_[dscp];
            if (!is_held(lease)) continue;
            const auto [known, is_new] = first.emplace(job_of(lease), dscp);
            if (is_new) continue;
            const auto job = fmt::format("{}.{}", job_of(lease).substr(0, 58), dscp);
            find(fmt::format("DSCP {} and {}: both are held by the job {}", known->second, dscp,
                             job_of(lease)),
                 "one of them can be neither renewed nor released by its name",
                 "the second is named " + job,
                 on_lease(dscp, KSMS_LEASE_HELD, [job](ksms_lease& held) {
                     rename(held, job);
                     return true;
                 }));
        }
    }

    /// Checks the mask of used DSCPs, in which an allocation looks for the job.
    Status check_used() {
        KSMS_TRY(const auto figures, pins_.figures.lookup(0));
        KSMS_TRY(const auto after, pins_.leases.array());
        for (std::uint32_t dscp = 0; dscp < KSMS_DSCPS; ++dscp) {
            const auto slot = std::uint64_t{1} << dscp;
            // A held lease is marked: it was held before and after the mask was read.
            if (!is_held(now_[dscp]) || after[dscp].state != now_[dscp].state ||
                (figures.value_or(ksms_registry{}).in_use & slot) != 0)
                continue;
            find(fmt::format("DSCP {} ({}): it is not marked as in use", dscp,
                             holder_of(now_[dscp])),
                 "its job could be given a second DSCP; an entry written by hand is like that",
                 "marked", [this, slot] {
                     __atomic_fetch_or(&figures_.values()[0].in_use, slot, __ATOMIC_SEQ_CST);
                     return true;
                 });
        }
        return {};
    }

    /// Checks the waiting calls and their number, by which a release decides whether to look for
    /// them.
    Status check_waiters(const ksms_registry& before) {
        KSMS_TRY(const auto now, pins_.waiters.array());
        KSMS_TRY(const auto read, pins_.figures.lookup(0));
        const auto figures = read.value_or(ksms_registry{});
        std::uint64_t waiting = 0;
        for (std::uint32_t slot = 0; slot < KSMS_WAITERS; ++slot) {
            const auto what = now[slot].state & 0xff;
            const bool same = now[slot].state == waiters_before_[slot].state;
            const ProcessId process{ksms_process_word_pid(now[slot].process),
                                    now[slot].process >> 22};
            const bool in_use = what != KSMS_WAITER_FREE;
            const bool stuck = same && (what > KSMS_WAITER_ANSWERED ||
                                        what == KSMS_WAITER_WRITING || what == KSMS_WAITER_SERVING);
            if (in_use && same && (stuck || !surroundings_.alive(process)))
                find(fmt::format("waiter {}: process {} does not wait any more", slot, process.pid),
                     "the ones after it are skipped", "its place is free", [this, slot] {
                         auto& state = waiters_.values()[slot].state;
                         __atomic_store_n(&state, ((state >> 8) + 1) << 8, __ATOMIC_SEQ_CST);
                         return true;
                     });
            else if (what >= KSMS_WAITER_WAITING)
                ++waiting;
        }
        if (figures.serving != 0 && figures.serving == before.serving)
            find("a process began to serve the waiters and never finished",
                 "no waiter would be served", "set right", [this] {
                     __atomic_store_n(&figures_.values()[0].serving, 0, __ATOMIC_SEQ_CST);
                     return true;
                 });
        if (figures.waiting != waiting && figures.waiting == before.waiting)
            find(fmt::format("{} are counted as waiting, {} wait", figures.waiting, waiting),
                 "a release finds waiters by that count", "set right", [this, waiting] {
                     __atomic_store_n(&figures_.values()[0].waiting, waiting, __ATOMIC_SEQ_CST);
                     return true;
                 });
        return {};
    }

    const RegistryPins& pins_;
    const RegistryLimits& limits_;
    bool repair_;
    const Surroundings& surroundings_;
    std::vector<ksms_lease> before_, now_;
    std::vector<ksms_waiter> waiters_before_;
    MappedArray<ksms_lease> leases_;
    MappedArray<ksms_owners> owners_;
    MappedArray<ksms_waiter> waiters_;
    MappedArray<ksms_registry> figures_;
    std::vector<Finding> found_;
};

}  // namespace

Result<std::vector<Finding>> check_leases(const RegistryPins& pins, const RegistryLimits& limits,
                                          bool repair, const Surroundings& surroundings) {
    return Checker(pins, limits, repair, surroundings).run();
}

}  // namespace ksms
