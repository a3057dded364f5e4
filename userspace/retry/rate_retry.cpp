// SPDX-License-Identifier: BSD-2-Clause
#include "retry/rate_retry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {
namespace {

// Up to so many are tried, of more a sample of so many; the rest where one of them turns.
constexpr std::size_t kSample = 64;
// For all tries: so many times the timeout.
constexpr int kSecondLook = 15;
// A try that nothing was heard of is made again, so often in all.
constexpr std::uint8_t kTries = 3;
// Limits count in jiffies: up to 10 ms each.
constexpr std::chrono::milliseconds kMargin{12};

}  // namespace

RateRetry::RateRetry(const Plan& plan, const StoreSlots& slots, const ScanStore& store,
                     KernelNames& names, const std::vector<std::uint8_t>& sent, nanoseconds timeout)
    : plan_(plan),
      slots_(slots),
      store_(store),
      names_(names),
      sent_(sent),
      patience_(kSecondLook * timeout),
      looks_(plan.routers.size()) {}

bool RateRetry::is_by_firewall(std::uint32_t reason) const {
    return names_.meaning(reason).kind == DropKind::firewall;
}

/// Some copy of it got through this router.
bool RateRetry::passes(std::size_t router, std::uint32_t probe, const ksms_drop& drop) const {
    const auto slot = slots_.router_slots[router];
    const auto came_in = store_.counter(slot, KSMS_INGRESS, probe).packets;
    // A mirror, or an ifb, counts as a way out, also for what is dropped behind it.
    if (store_.counter(slot, KSMS_EGRESS, probe).packets > 0)
        return came_in == 0 || came_in > drop.count;
    const auto& path = plan_.paths[plan_.path_of[probe]];
    const auto hop = std::ranges::find(path.hops, router, &PlanHop::router);
    return hop != path.hops.end() && hop->local && came_in > drop.count;
}

bool RateRetry::stopped_at(std::size_t router, std::uint32_t probe) const {
    const auto drop = store_.drop(slots_.router_slots[router], probe);
    return drop.count > 0 && is_by_firewall(drop.reason) && !passes(router, probe, drop);
}

/// Counts up with everything that can end a probe's way.
std::uint64_t RateRetry::events_of(std::uint32_t probe) const {
    std::uint64_t events = 0;
    for (std::size_t slot = 0; slot < slots_.store.size(); ++slot)
        events += store_.drop(slot, probe).count;
    const auto& path = plan_.paths[plan_.path_of[probe]];
    if (path.hops.empty()) return events;
    const auto& last = path.hops.back();
    return events + store_
                        .counter(slots_.router_slots[last.router],
                                 last.local ? KSMS_INGRESS : KSMS_EGRESS, probe)
                        .packets;
}

/// What the slowest of the rules that may have limited it asks to wait; nothing: there is none.
std::optional<RateRetry::Wait> RateRetry::wait_at(std::size_t router, std::uint32_t probe) const {
    std::optional<Wait> slowest;
    const auto take = [&](std::size_t at, bool all) {
        for (const auto& limit : plan_.routers[at].limits) {
            if (!limit.services.may_have(store_.service(probe)) || (!all && !limit.either))
                continue;
            if (!slowest) slowest = Wait{};
            slowest->interval = std::max(slowest->interval, limit.interval);
            slowest->guessed |= limit.guessed;
        }
    };
    // A rule before may have marked it, or sent it on another way, for the rate alone.
    for (const auto& hop : plan_.paths[plan_.path_of[probe]].hops) {
        if (hop.router == router) break;
        take(hop.router, false);
    }
    take(router, true);
    return slowest;
}

nanoseconds RateRetry::interval_at(std::size_t router, std::uint32_t probe) const {
    const auto wait = wait_at(router, probe);
    return wait ? wait->interval : nanoseconds(0);
}

/// The routers before this one must let it pass again, too.
nanoseconds RateRetry::quiet_for(std::size_t router, std::uint32_t probe) const {
    auto slowest = interval_at(router, probe);
    for (const auto& hop : plan_.paths[plan_.path_of[probe]].hops) {
        if (hop.router == router) break;
        slowest = std::max(slowest, interval_at(hop.router, probe));
    }
    return slowest + slowest / 20 + kMargin;
}

/// What no time is enough for is due for ever.
void RateRetry::leave_out_the_slow(std::size_t router) {
    nanoseconds slowest{0};
    for (auto& candidate : looks_[router].candidates) {
        if (candidate.quiet <= patience_) continue;
        candidate.state = State::due;
        slowest = std::max(slowest, candidate.quiet);
    }
    if (slowest == nanoseconds(0)) return;
    const double seconds = Seconds(slowest).count();
    warnings_.push_back(fmt::format(
        "{}: its firewall limits rates to one packet in {:.3g} s, too slow to try again what it "
        "stopped; --timeout {:.2f} or longer waits for it",
        plan_.routers[router].netns.name(), seconds, seconds / kSecondLook + 0.01));
}

void RateRetry::begin(std::size_t router) {
    begun_ = true;
    queue_.clear();  // of the router before, where that was given up
    auto& look = looks_[router];
    for (std::uint32_t probe = 0; probe < sent_.size(); ++probe)
        if (sent_[probe] > 0 && stopped_at(router, probe)) look.candidates.push_back({probe});
    if (look.candidates.empty()) return;
    std::erase_if(look.candidates,
                  [&](const Candidate& candidate) { return !wait_at(router, candidate.probe); });
    for (auto& candidate : look.candidates) candidate.quiet = quiet_for(router, candidate.probe);
    leave_out_the_slow(router);
    queue(kSample);
    if (!until_ && !queue_.empty()) until_ = monotonic() + patience_;
}

/// Puts spare ones into the queue: all of them, or a sample spread evenly. Fast limits come first,
/// so that a slow one takes only its own time.
void RateRetry::queue(std::size_t most) {
    auto& candidates = looks_[router_].candidates;
    std::vector<std::size_t> spare;
    for (std::size_t i = 0; i < candidates.size(); ++i)
        if (candidates[i].state == State::spare) spare.push_back(i);
    const auto count = std::min(most, spare.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto at = spare[i * spare.size() / count];
        candidates[at].state = State::due;
        queue_.push_back(at);
    }
    std::ranges::stable_sort(queue_, {}, [&](std::size_t at) { return candidates[at].quiet; });
}

std::optional<RateRetry::Try> RateRetry::next() {
    for (; router_ < plan_.routers.size(); ++router_, begun_ = false) {
        if (!begun_) begin(router_);
        if (queue_.empty()) continue;
        trying_ = queue_.front();
        const auto& [probe, quiet, tries, state] = looks_[router_].candidates[*trying_];
        if (monotonic() + quiet > *until_) return std::nullopt;
        queue_.pop_front();
        drops_before_ = store_.drop(slots_.router_slots[router_], probe).count;
        events_before_ = events_of(probe);
        return Try{probe, quiet};
    }
    return std::nullopt;
}

void RateRetry::give_up() {
    for (; router_ < plan_.routers.size(); ++router_, begun_ = false)
        if (!begun_) begin(router_);
}

bool RateRetry::met_its_end() const {
    return events_of(looks_[router_].candidates[*trying_].probe) > events_before_;
}

void RateRetry::take() {
    auto& look = looks_[router_];
    auto& candidate = look.candidates[*trying_];
    ++candidate.tries;
    const auto drop = store_.drop(slots_.router_slots[router_], candidate.probe);
    if (passes(router_, candidate.probe, drop)) {
        candidate.state = State::passed;
        if (!std::exchange(look.turned, true)) queue(look.candidates.size());
    } else if (drop.count > drops_before_) {
        // After a pause that was guessed it may be the rate again.
        const auto wait = wait_at(router_, candidate.probe);
        candidate.state = wait && wait->guessed ? State::due : State::stays;
    } else if (candidate.tries < kTries) {
        queue_.push_back(*trying_);
    }
}

std::vector<std::uint32_t> RateRetry::undecided() const {
    std::vector<std::uint32_t> probes;
    for (const auto& look : looks_)
        for (const auto& candidate : look.candidates)
            if (candidate.state == State::due || (look.turned && candidate.state == State::spare))
                probes.push_back(candidate.probe);
    return probes;
}

}  // namespace ksms
