// SPDX-License-Identifier: BSD-2-Clause
#include "retry/retry.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "retry/rate_retry.hpp"

namespace ksms {

using namespace std::chrono_literals;

namespace {

// Behind the last tap a packet needs no more than a softirq to its end, or to the drop that says
// what became of it.
constexpr nanoseconds kSettle = 5ms;
// Local delivery ends in silence where a socket took it: this long no drop, and it was accepted.
constexpr nanoseconds kLocalSettle = 20ms;
// A lost probe is sent again after 40 ms, then 120, 360, ….
constexpr nanoseconds kFirstRetry = 40ms;
// Probes a second: what was lost in a burst is not sent as one again.
constexpr std::uint64_t kLeastResendRate = 500;
constexpr std::uint64_t kMostResendRate = 20'000;
constexpr nanoseconds kProgressEvery = 100ms;
constexpr nanoseconds kRefreshEvery = 10s;  // below the shortest base_reachable_time / 2 (15 s)

}  // namespace

RetryLoop::RetryLoop(const Plan& plan, const StoreSlots& slots, const ScanStore& store,
                     Sender& sender, Resolver& resolver, KernelNames& names,
                     ConntrackCleaner& quota, Patience patience, RetryHooks hooks,
                     LeaseKeeper& lease, SoFar& so_far, PolicyLook& policies)
    : plan_(plan),
      slots_(slots),
      store_(store),
      sender_(sender),
      resolver_(resolver),
      names_(names),
      quota_(quota),
      patience_(patience),
      hooks_(hooks),
      lease_(lease),
      so_far_(so_far),
      policies_(policies) {
    for (const auto& path : plan.paths) {
        Goal goal;
        for (const auto& hop : path.hops) goal.slots.push_back(slots.router_slots[hop.router]);
        if (!goal.slots.empty()) {
            goal.last = goal.slots.back();
            goal.local = path.hops.back().local;
            goal.host = path.end == PathEnd::destination && !slots.host_slots.empty();
        }
        goals_.push_back(std::move(goal));
    }
    const auto probes = plan.path_of.size();
    accounts_.sent.assign(probes, 0);
    accounts_.not_sent.assign(probes, 0);
    accounts_.tried_again.assign(probes, 0);
    accounts_.looked_at.assign(probes, 0);
    accounts_.undecided.assign(probes, false);
    if (plan.remembers_before) accounts_.remembered_from = {};
    started_ = reported_ = refreshed_ = accounts_.first_sent = accounts_.all_sent = monotonic();
    sort_into_turns();
}

bool RetryLoop::dropped(std::uint32_t probe) const {
    for (std::size_t slot = 0; slot < slots_.store.size(); ++slot) {
        const auto drop = store_.drop(slot, probe);
        if (drop.count > 0 && !names_.meaning(drop.reason).no_room) return true;
    }
    return false;
}

bool RetryLoop::answered(std::size_t slot, std::uint32_t probe) const {
    return store_.counter(slot, KSMS_EGRESS, probe).answer != KSMS_ANSWER_NONE;
}

bool RetryLoop::arrived(const Goal& goal, std::uint32_t probe, Instant now) const {
    // Whichever way it took: of several next hops the prediction knows one.
    const auto came = [&](std::size_t slot) {
        const auto seen = store_.counter(slot, KSMS_INGRESS, probe);
        return seen.packets > 0 && (answered(slot, probe) || now > instant(seen.last_ns) + kSettle);
    };
    if (goal.host && std::ranges::any_of(slots_.host_slots, came)) return true;
    const auto seen = store_.counter(goal.last, goal.local ? KSMS_INGRESS : KSMS_EGRESS, probe);
    if (seen.packets == 0) return false;
    if (goal.local) return answered(goal.last, probe) || now > instant(seen.last_ns) + kLocalSettle;
    return (!goal.host && !plan_.goes_on) || now > instant(seen.last_ns) + kSettle;
}

bool RetryLoop::proxied(const Goal& goal, std::uint32_t probe) const {
    if (store_.service(probe).protocol != IPPROTO_TCP) return false;
    return std::ranges::any_of(goal.slots, [&](std::size_t slot) {
        return store_.counter(slot, KSMS_EGRESS, probe).answer == KSMS_ANSWER_SYN_ACK;
    });
}

bool RetryLoop::accounted(std::uint32_t probe, Instant now) const {
    const auto& goal = goals_[plan_.path_of[probe]];
    return arrived(goal, probe, now) || dropped(probe) || proxied(goal, probe);
}

void RetryLoop::drop_accounted() {
    const auto now = monotonic();
    const auto frozen = store_.freeze(pending_.size());
    std::erase_if(pending_, [&](std::uint32_t probe) {
        const bool done = accounted(probe, now);
        if (done && so_far_.wanted()) so_far_.note(probe);
        return done;
    });
}

bool RetryLoop::reports_now() const {
    return hooks_.progress && monotonic() - reported_ >= kProgressEvery;
}

std::size_t RetryLoop::accounted_for() const {
    return accounts_.sent.size() - turns_[0].size() - turns_[1].size() - pending_.size() - unsent_ -
           accounts_.unaccounted;
}

void RetryLoop::report(const char* stage) {
    if (!reports_now()) return;
    const auto now = reported_ = monotonic();
    const auto probes = accounts_.sent.size(), done = accounted_for() - without_a_way_,
               rest = probes - accounted_for();
    const auto left = done == 0 ? 0ns : nanoseconds((now - started_) * rest / done);
    // What is accounted for was sent, though the sender that did it may not have said so yet.
    hooks_.progress({stage, std::max(sent_, done), accounted_for(), probes,
                     now - patience_.scan_started, left});
    so_far_.tell(accounts_.sent, accounts_.remembered_from);
}

bool RetryLoop::stopped() {
    if (hooks_.stop != nullptr && hooks_.stop->load() != 0) accounts_.interrupted = true;
    if (monotonic() >= patience_.deadline) accounts_.out_of_time = true;
    if (lease_held_) lease_held_ = lease_.keep();
    return accounts_.interrupted || accounts_.out_of_time || !lease_held_;
}

Why RetryLoop::why_it_ended() const {
    return accounts_.out_of_time && !accounts_.interrupted ? Why::deadline : Why::interrupted;
}

void RetryLoop::refuse(std::uint32_t probe, Why why, const std::string& text) {
    auto& all = accounts_.not_sent_why;
    const SendRecord::NotSent reason{why, text};
    auto found = std::ranges::find(all, reason);
    if (found == all.end()) {
        if (all.size() == 254) return;
        found = all.insert(all.end(), reason);
    }
    accounts_.not_sent[probe] = static_cast<std::uint8_t>(found - all.begin() + 1);
}

Status RetryLoop::send_part(std::span<const std::uint32_t> probes, std::uint64_t rate_pps) {
    const auto stop = [this, before = sent_](std::size_t done) {
        sent_ = before + done;
        if (reports_now()) drop_accounted();  // a look at each probe: only as often as it is told
        report("probe");
        return stopped();
    };
    const auto sent_before = sent_;
    for (const auto probe : probes)
        if (accounts_.sent[probe] < 255) ++accounts_.sent[probe];
    KSMS_TRY(const auto refused, sender_.send(probes, rate_pps, stop));
    quiet_since_ = monotonic();
    sent_ = sent_before + probes.size() - refused.size();
    for (const auto& [probe, err] : refused) {
        const bool denied = err == EPERM;
        KSMS_TRY(const bool by_policy, denied ? policies_.blocks(probe) : Result<bool>(false));
        if (denied && !by_policy) continue;  // the source's own firewall: its drop tells
        --accounts_.sent[probe];
        if (accounts_.sent[probe] != 0) continue;
        if (err == EINTR)
            refuse(probe, why_it_ended());
        else
            refuse(probe, Why::send_failed,
                   by_policy ? "blocked by an IPsec policy of the source" : std::strerror(err));
    }
    return {};
}

/// @return how many may be sent now; 0: there was no room for as long as one may wait
Result<std::size_t> RetryLoop::room_for(std::size_t probes) {
    auto room = quota_.allowance();
    if (room >= probes) return probes;
    const auto until = monotonic() + patience_.timeout;
    nanoseconds nap = 1ms;
    while (room == 0 && monotonic() < until && !stopped()) {
        quota_.clear();
        room = quota_.allowance();
        if (room > 0) break;
        report("probe");
        pause_for(nap);
        nap = std::min<nanoseconds>(nap * 2, 50ms);
    }
    return std::min(room, probes);
}

void RetryLoop::say_split(std::size_t parts) {
    warn(fmt::format("sent in {} parts: the connection tracking of {} has no room for all at once",
                     parts, quota_.tightest()));
}

/// Once, though each turn finds it.
void RetryLoop::warn(const std::string& text) {
    if (std::ranges::find(accounts_.warnings, text) == accounts_.warnings.end())
        accounts_.warnings.push_back(text);
}

Status RetryLoop::send_pending(std::uint64_t rate_pps) {
    const auto probes = std::exchange(pending_, {});
    std::span<const std::uint32_t> rest(probes);
    std::size_t parts = 0;
    for (unsent_ = rest.size(); unsent_ > 0; unsent_ = rest.size()) {
        KSMS_TRY(const auto count, room_for(rest.size()));
        if (count == 0 || (parts > 0 && stopped())) break;
        const auto part = rest.first(count);
        rest = rest.subspan(count);
        pending_.insert(pending_.end(), part.begin(), part.end());
        unsent_ = rest.size();
        KSMS_CHECK(send_part(part, rate_pps));
        ++parts;
        if (rest.empty()) continue;
        KSMS_CHECK(wait_until(monotonic() + kFirstRetry));
        quota_.clear();
    }
    for (const auto probe : rest) {
        if (accounts_.sent[probe] != 0) continue;
        if (stopped())
            refuse(probe, why_it_ended());
        else
            refuse(probe, Why::send_failed,
                   quota_.tightest() + " has no room to track connections");
    }
    unsent_ = 0;
    if (parts > 1) say_split(parts);
    return {};
}

Status RetryLoop::wait_until(Instant until) {
    nanoseconds nap = 50us;
    while (true) {
        drop_accounted();
        if (pending_.empty() || stopped()) return {};
        const auto now = monotonic();
        if (now >= until) return {};
        if (now - refreshed_ > kRefreshEvery) {
            refreshed_ = now;
            KSMS_CHECK(resolver_.refresh());
        }
        report("settle");
        pause_for(std::min(nap, until - now));
        nap = std::min<nanoseconds>(nap * 2, pending_.size() > 1000 ? 5ms : 1ms);
    }
}

void RetryLoop::sort_into_turns() {
    for (std::uint32_t probe = 0; probe < plan_.path_of.size(); ++probe) {
        const auto& path = plan_.paths[plan_.path_of[probe]];
        if (path.elsewhere) continue;
        const auto sparing =
            plan_.spared.empty() ? 0 : plan_.spared[plan_.numbers().service(probe)];
        if (path.hops.empty() || path.no_entry)
            refuse(probe, Why::no_way, path.detail);
        else if (sparing != 0)
            refuse(probe, Why::spared, plan_.sparing[sparing - 1u]);
        else
            left_of(plan_.turn_of(probe)).push_back(probe);
    }
    without_a_way_ = plan_.path_of.size() - turns_[0].size() - turns_[1].size();
}

/// Half of what got through a second in the last round: where a queue or a backlog overflowed, the
/// next round fits.
std::uint64_t RetryLoop::resend_rate(std::size_t accounted, nanoseconds took) const {
    const std::uint64_t passed = accounted * in_ns(1s) / in_ns(std::max(took, 1ns));
    const auto least =
        std::max<std::uint64_t>(kLeastResendRate, pending_.size() / 2);  // 2 s a round at most
    const auto rate =
        std::clamp<std::uint64_t>(passed / 2, least, std::max(least, kMostResendRate));
    return patience_.rate_pps == 0 ? rate : std::min(rate, patience_.rate_pps);
}

void RetryLoop::be_quiet_until(Instant until) {
    for (auto now = monotonic(); now < until && !stopped(); now = monotonic()) {
        report("rate limits");
        pause_for(std::min<nanoseconds>(until - now, 50ms));
    }
}

/// What a firewall stopped is tried again where its rules limit rates.
Status RetryLoop::look_again(Turn turn) {
    RateRetry look(plan_, slots_, store_, names_, accounts_.sent, turn, patience_.timeout);
    while (!stopped()) {
        const auto next = look.next();
        if (!next) break;
        // Limits on connections count those that our probes have left there.
        quota_.clear();
        be_quiet_until(quiet_since_ + next->quiet);
        if (stopped()) break;
        KSMS_CHECK(send_part({&next->probe, 1}, 0));
        ++accounts_.tried_again[next->probe];
        const auto until = monotonic() + kFirstRetry;
        while (!look.met_its_end() && monotonic() < until) pause_for(200us);
        // A loaded machine delivers late: what is limited met the limit now, not when it was sent.
        quiet_since_ = monotonic();
        const auto& path = plan_.paths[plan_.path_of[next->probe]];
        pause_for(path.hops.back().local ? kLocalSettle : 1ms);
        look.take();
    }
    if (!accounts_.interrupted) look.give_up();
    for (const auto probe : look.undecided()) accounts_.undecided[probe] = true;
    for (const auto& warning : look.warnings()) warn(warning);
    return {};
}

Status RetryLoop::send_again_what_was_lost() {
    auto outstanding = pending_.size();
    auto wait = std::min(kFirstRetry, patience_.timeout / 2);
    auto round_start = turn_started_;
    for (std::uint32_t round = 0; round < patience_.retries; ++round) {
        KSMS_CHECK(wait_until(monotonic() + wait));
        if (pending_.empty() || stopped()) break;
        KSMS_CHECK(resolver_.refresh());
        const auto now = monotonic();
        const auto rate = resend_rate(outstanding - pending_.size(), now - round_start);
        round_start = now;
        outstanding = pending_.size();
        KSMS_CHECK(send_pending(rate));
        wait = std::min(wait * 3, patience_.timeout);
    }
    return wait_until(monotonic() + patience_.timeout);
}

std::vector<std::uint32_t> RetryLoop::take_first_remembered() {
    auto& all = left_of(Turn::remembered);
    if (all.empty()) return {};
    const auto numbers = plan_.numbers();
    const auto first = all.front();
    const auto rest = std::ranges::stable_partition(all, [&](std::uint32_t probe) {
        return probe == first || (numbers.service(probe) == numbers.service(first) &&
                                  plan_.isolated && plan_.comes_before(first, probe));
    });
    std::vector<std::uint32_t> taken(all.begin(), rest.begin());
    all.erase(all.begin(), rest.begin());
    return taken;
}

void RetryLoop::give_back(std::span<const std::uint32_t> probes) {
    auto& all = left_of(Turn::remembered);
    all.insert(all.end(), probes.begin(), probes.end());
}

std::optional<Turn> RetryLoop::next_turn() const {
    if (!turns_[0].empty()) return Turn::unremembered;
    return turns_[1].empty() ? std::nullopt : std::optional(Turn::remembered);
}

Status RetryLoop::run(Turn turn) {
    turn_started_ = monotonic();
    pending_ = std::exchange(left_of(turn), {});
    if (turn == Turn::remembered)
        accounts_.remembered_from = std::min(accounts_.remembered_from, turn_started_);
    KSMS_CHECK(send_pending(patience_.rate_pps));
    accounts_.all_sent = monotonic();
    KSMS_CHECK(send_again_what_was_lost());
    accounts_.unaccounted += std::exchange(pending_, {}).size();
    KSMS_CHECK(look_again(turn));
    quota_.clear();
    return {};
}

Result<SendRecord> RetryLoop::finish() {
    KSMS_CHECK(lease_held_);
    // Answers of the last taps may be a softirq behind.
    if (!accounts_.interrupted) pause_for(200us);
    accounts_.packets += sent_;
    for (const auto& warning : quota_.warnings()) warn(warning);
    return std::move(accounts_);
}

}  // namespace ksms
