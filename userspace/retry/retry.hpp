// SPDX-License-Identifier: BSD-2-Clause
// Sends every probe, waits until each is accounted for, sends again what was lost, ends in time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "evidence/collector.hpp"
#include "evidence/slots.hpp"
#include "evidence/so_far.hpp"
#include "evidence/store.hpp"
#include "judge/plan.hpp"
#include "probe/neighbour_resolver.hpp"
#include "probe/sender.hpp"
#include "registry/lease_keeper.hpp"
#include "retry/conntrack_cleaner.hpp"
#include "retry/policy_look.hpp"
#include "retry/progress.hpp"

namespace ksms {

/// When to send again and when to give up.
struct Patience {
    nanoseconds timeout{0};    ///< after a probe was last sent
    Instant deadline{kNever};  ///< for everything
    std::uint32_t retries{0};
    std::uint64_t rate_pps{0};
    Instant scan_started;  ///< for who watches
};

/// Of whoever started the scan.
struct RetryHooks {
    const std::function<void(const ScanProgress&)>& progress;  ///< may be empty
    const std::atomic<int>* stop{nullptr};                     ///< a signal's number: end cleanly
};

struct SendRecord {
    using NotSent = ProbeEvidence::NotSent;
    std::vector<std::uint8_t> sent;         ///< per probe: how often
    std::vector<std::uint8_t> tried_again;  ///< of that, alone, after a firewall had stopped it
    std::vector<std::uint8_t> looked_at;    ///< of that, alone, for its trail
    std::vector<bool> undecided;            ///< see ProbeEvidence::undecided
    std::vector<NotSent> not_sent_why;      ///< each once
    std::vector<std::uint8_t> not_sent;     ///< per probe: 0, or 1 + index into not_sent_why
    bool interrupted{false};                ///< by a signal
    bool out_of_time{false};                ///< the deadline came before the timeout
    Instant first_sent, all_sent;
    Instant remembered_from{kNever};    ///< the first of Turn::remembered
    std::size_t packets{0};             ///< that were sent
    std::size_t unaccounted{0};         ///< probes
    std::vector<std::string> warnings;  ///< for people
    /// Enters what is known of the probe whose packets these are.
    void tell(ProbeEvidence& evidence) const {
        const auto probe = evidence.probe;
        evidence.sent = sent[probe];
        evidence.tried_again = tried_again[probe];
        evidence.looked_at = looked_at[probe];
        evidence.undecided = undecided[probe];
        evidence.remembered_from = remembered_from;
        evidence.not_sent = not_sent[probe] == 0 ? NotSent{} : not_sent_why[not_sent[probe] - 1u];
    }
};

class RetryLoop {
public:
    RetryLoop(const Plan& plan, const StoreSlots& slots, const ScanStore& store, Sender& sender,
              Resolver& resolver, KernelNames& names, ConntrackCleaner& quota, Patience patience,
              RetryHooks hooks, LeaseKeeper& lease, SoFar& so_far, PolicyLook& policies);
    /// Nothing: all are over.
    [[nodiscard]] std::optional<Turn> next_turn() const;
    /// Those of Turn::remembered that meet a clean state still, where each is sent alone and in
    /// this order: the first, and in isolated mode those of its service for the routers behind.
    /// What comes to such a router from one before it is what it is judged by.
    [[nodiscard]] std::vector<std::uint32_t> take_first_remembered();
    /// Of which nothing is known yet.
    void give_back(std::span<const std::uint32_t> probes);
    /// Sends its probes, which then count as sent, also where a signal or the deadline came before.
    Status run(Turn turn);
    /// Of the turns so far. What else is sent is entered here.
    [[nodiscard]] SendRecord& record() { return accounts_; }
    /// In the end.
    Result<SendRecord> finish();

private:
    /// What ends a predicted path, as slots of the store.
    struct Goal {
        std::vector<std::size_t> slots;  ///< of the routers on the way
        std::size_t last{0};             ///< slot of the last router
        bool local{false};
        bool host{false};  ///< the destination is on this machine: it should see the probe too
    };
    [[nodiscard]] bool accounted(std::uint32_t probe, Instant now) const;
    [[nodiscard]] bool arrived(const Goal& goal, std::uint32_t probe, Instant now) const;
    /// The namespace itself sent something back.
    [[nodiscard]] bool answered(std::size_t slot, std::uint32_t probe) const;
    /// A router on the way answered its SYN in the destination's place.
    [[nodiscard]] bool proxied(const Goal& goal, std::uint32_t probe) const;
    /// Its drop was reported, and sending it again would not help.
    [[nodiscard]] bool dropped(std::uint32_t probe) const;
    [[nodiscard]] std::uint64_t resend_rate(std::size_t accounted, nanoseconds took) const;
    /// In parts, where the connection tracking on the way has no room for all of them.
    Status send_pending(std::uint64_t rate_pps);
    Status send_part(std::span<const std::uint32_t> probes, std::uint64_t rate_pps);
    Result<std::size_t> room_for(std::size_t probes);
    Status look_again(Turn turn);
    void be_quiet_until(Instant until);
    void say_split(std::size_t parts);
    void drop_accounted();
    Status wait_until(Instant until);
    [[nodiscard]] bool stopped();
    [[nodiscard]] bool reports_now() const;
    [[nodiscard]] std::size_t accounted_for() const;
    void report(const char* stage);
    [[nodiscard]] Why why_it_ended() const;
    void refuse(std::uint32_t probe, Why why, const std::string& text = {});
    void sort_into_turns();
    /// What is not begun.
    [[nodiscard]] std::vector<std::uint32_t>& left_of(Turn turn) {
        return turns_.at(static_cast<std::size_t>(turn));
    }
    Status send_again_what_was_lost();
    void warn(const std::string& text);

    const Plan& plan_;
    const StoreSlots& slots_;
    const ScanStore& store_;
    Sender& sender_;
    Resolver& resolver_;
    KernelNames& names_;
    ConntrackCleaner& quota_;
    Patience patience_;
    RetryHooks hooks_;
    LeaseKeeper& lease_;
    SoFar& so_far_;
    PolicyLook& policies_;
    Status lease_held_;                                ///< an error once it is not
    std::vector<Goal> goals_;                          ///< one a path
    std::array<std::vector<std::uint32_t>, 2> turns_;  ///< see left_of()
    std::vector<std::uint32_t> pending_;
    SendRecord accounts_;
    Instant started_, turn_started_, reported_, refreshed_;
    Instant quiet_since_;  ///< nothing was sent since, nor was on its way that is known
    std::size_t sent_{0};
    std::size_t without_a_way_{0};  ///< probes that are never sent
    std::size_t unsent_{0};         ///< of this round; not in pending_ yet
};

}  // namespace ksms
