// SPDX-License-Identifier: BSD-2-Clause
#include "retry/rate_retry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {
namespace {

// Up to so many are tried, of more a sample of so many; the rest where one of them turns.
constexpr std::size_t kSample = 64;
// Where no rule is known that limits anything, but a program may.
constexpr std::size_t kFewOf = 4;

}  // namespace

RateRetry::RateRetry(const Plan& plan, const StoreSlots& slots, const ScanStore& store,
                     KernelNames& names, const std::vector<std::uint8_t>& sent, Turn turn,
                     nanoseconds timeout)
    : plan_(plan),
      slots_(slots),
      store_(store),
      names_(names),
      sent_(sent),
      turn_(turn),
      patience_(kLimitPatience * timeout) {
    looks_.push_back({{LimitPlace::Kind::source}, {}});
    looks_.push_back({{LimitPlace::Kind::segment}, {}});
    for (std::size_t router = 0; router < plan.routers.size(); ++router)
        looks_.push_back({{LimitPlace::Kind::router, router}, {}});
}

std::size_t RateRetry::source_slot(std::uint32_t probe) const {
    return slots_.entry_slots[plan_.numbers().entry(probe)];
}

ksms_drop RateRetry::drop_at(const LimitPlace& place, std::uint32_t probe) const {
    if (place.kind == LimitPlace::Kind::router)
        return store_.drop(slots_.router_slots[place.router], probe);
    if (place.kind == LimitPlace::Kind::source) {
        // A source that is a router too is one of those.
        const auto slot = source_slot(probe);
        const bool is_router =
            std::ranges::find(slots_.router_slots, slot) != slots_.router_slots.end();
        return is_router ? ksms_drop{} : store_.drop(slot, probe);
    }
    for (const auto slot : slots_.segment_slots)
        if (const auto drop = store_.drop(slot, probe); drop.count > 0) return drop;
    return {};
}

/// Some copy of it got through.
bool RateRetry::passes(const LimitPlace& place, std::uint32_t probe) const {
    switch (place.kind) {
        case LimitPlace::Kind::source:
            return store_.counter(source_slot(probe), KSMS_EGRESS, probe).packets > 0;
        case LimitPlace::Kind::segment:
            return std::ranges::all_of(
                plan_.paths[plan_.path_of[probe]].hops, [&](const PlanHop& hop) {
                    const auto slot = slots_.router_slots[hop.router];
                    return store_.counter(slot, KSMS_INGRESS, probe).packets > 0;
                });
        case LimitPlace::Kind::router: break;
    }
    return passes_router(place.router, probe);
}

bool RateRetry::passes_router(std::size_t router, std::uint32_t probe) const {
    const auto slot = slots_.router_slots[router];
    const auto dropped = store_.drop(slot, probe).count;
    const auto came_in = store_.counter(slot, KSMS_INGRESS, probe).packets;
    // A mirror, or an ifb, counts as a way out, also for what is dropped behind it.
    if (store_.counter(slot, KSMS_EGRESS, probe).packets > 0)
        return came_in == 0 || came_in > dropped;
    const auto& path = plan_.paths[plan_.path_of[probe]];
    const auto hop = std::ranges::find(path.hops, router, &PlanHop::router);
    return hop != path.hops.end() && hop->local && came_in > dropped;
}

/// What the limit asks to wait that may have stopped it there; nothing: none has.
std::optional<LimitWait> RateRetry::stopped_by_limit(LimitPlace place, std::uint32_t probe) const {
    const auto drop = drop_at(place, probe);
    if (drop.count == 0 || passes(place, probe)) return std::nullopt;
    place.as_sent = comes_as_sent(place, probe);
    return limit_at(plan_, probe, store_.service(probe), place, names_.meaning(drop.reason).kind);
}

bool RateRetry::stopped_by_program(const LimitPlace& place, std::uint32_t probe) const {
    return is_by_program(names_.meaning(drop_at(place, probe).reason).kind);
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

/// By the planned interface, neither remarked nor translated: what a mark decided before, on the
/// same way, does not come to a router.
bool RateRetry::comes_as_sent(const LimitPlace& place, std::uint32_t probe) const {
    if (place.kind != LimitPlace::Kind::router) return false;
    const auto& hops = plan_.paths[plan_.path_of[probe]].hops;
    const auto hop = std::ranges::find(hops, place.router, &PlanHop::router);
    const auto seen = store_.counter(slots_.router_slots[place.router], KSMS_INGRESS, probe);
    return hop != hops.end() && seen.packets > 0 && seen.ifindex == hop->ingress.ifindex &&
           (seen.flags & (KSMS_SEEN_REMARKED | KSMS_SEEN_TRANSLATED)) == 0;
}

/// The places before this one must let it pass again, too.
nanoseconds RateRetry::quiet_for(LimitPlace place, std::uint32_t probe, nanoseconds here) const {
    place.as_sent = comes_as_sent(place, probe);
    const auto before = limit_up_to(plan_, probe, store_.service(probe), place, DropKind::firewall);
    return quiet_before(before ? std::max(before->interval, here) : here);
}

std::string_view RateRetry::name_of(const LimitPlace& place, std::uint32_t probe) const {
    if (place.kind == LimitPlace::Kind::router) return plan_.routers[place.router].netns.name();
    if (place.kind == LimitPlace::Kind::segment) return "a bridge on the way";
    return plan_.entries[plan_.numbers().entry(probe)].netns.name();
}

/// What no time is enough for is due for ever.
void RateRetry::leave_out_the_slow(Look& look) {
    const Candidate* slowest = nullptr;
    for (auto& candidate : look.candidates) {
        if (candidate.quiet <= patience_) continue;
        candidate.state = State::due;
        if (slowest == nullptr || slowest->quiet < candidate.quiet) slowest = &candidate;
    }
    if (slowest == nullptr) return;
    const double seconds = Seconds(slowest->quiet).count();
    warnings_.push_back(fmt::format(
        "{}: its firewall limits rates to one packet in {:.3g} s, too slow to try again what it "
        "stopped; --timeout {:.2f} or longer waits for it",
        name_of(look.place, slowest->probe), seconds, seconds / kLimitPatience + 0.01));
}

void RateRetry::begin(Look& look) {
    begun_ = true;
    queue_.clear();  // of the place before, where that was given up
    bool by_rule = false;
    for (std::uint32_t probe = 0; probe < sent_.size(); ++probe) {
        if (sent_[probe] == 0 || plan_.turn_of(probe) != turn_) continue;
        const auto wait = stopped_by_limit(look.place, probe);
        if (!wait) continue;
        look.candidates.push_back({probe, quiet_for(look.place, probe, wait->interval)});
        by_rule |= !stopped_by_program(look.place, probe);
    }
    if (look.candidates.empty()) return;
    leave_out_the_slow(look);
    queue(by_rule ? kSample : kFewOf);
    if (!until_ && !queue_.empty()) until_ = monotonic() + patience_;
}

/// Puts spare ones into the queue: all of them, or a sample spread evenly. Fast limits come first,
/// so that a slow one takes only its own time.
void RateRetry::queue(std::size_t most) {
    auto& candidates = looks_[at_].candidates;
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

/// Goes on to the next place that has any in its queue.
bool RateRetry::find_queued() {
    // Nothing is sent between a place without candidates and the next one.
    const auto frozen = begun_ ? ScanStore::Frozen() : store_.freeze(sent_.size());
    for (; at_ < looks_.size(); ++at_, begun_ = false) {
        if (!begun_) begin(looks_[at_]);
        if (!queue_.empty()) return true;
    }
    return false;
}

std::optional<RateRetry::Try> RateRetry::next() {
    if (!find_queued()) return std::nullopt;
    trying_ = queue_.front();
    const auto& [probe, quiet, tries, state] = looks_[at_].candidates[*trying_];
    if (monotonic() + quiet > *until_) return std::nullopt;
    queue_.pop_front();
    drops_before_ = drop_at(looks_[at_].place, probe).count;
    events_before_ = events_of(probe);
    return Try{probe, quiet};
}

void RateRetry::give_up() {
    for (; at_ < looks_.size(); ++at_, begun_ = false)
        if (!begun_) begin(looks_[at_]);
}

bool RateRetry::met_its_end() const {
    return events_of(looks_[at_].candidates[*trying_].probe) > events_before_;
}

void RateRetry::take() {
    auto& look = looks_[at_];
    auto& candidate = look.candidates[*trying_];
    ++candidate.tries;
    if (passes(look.place, candidate.probe)) {
        candidate.state = State::passed;
        if (std::exchange(look.turned, true)) return;
        // How long a program that limits wants to rest was guessed.
        for (auto& other : look.candidates)
            if (other.state == State::stays && stopped_by_program(look.place, other.probe))
                other.state = State::spare;
        queue(look.candidates.size());
        for (std::size_t at = 0; at < look.candidates.size(); ++at)
            if (look.candidates[at].state == State::stays) try_once_more(at);
    } else if (drop_at(look.place, candidate.probe).count > drops_before_) {
        // After a pause that was guessed it may be the rate again.
        const auto wait = stopped_by_limit(look.place, candidate.probe);
        candidate.state = wait && wait->guessed ? State::due : State::stays;
        if (look.turned) try_once_more(*trying_);
    } else if (candidate.tries < kLimitTries) {
        queue_.push_back(*trying_);
    }
}

/// Last, and not in the time that other places need.
void RateRetry::try_once_more(std::size_t at) {
    if (looks_[at_].candidates[at].tries < kLimitTries && monotonic() < *until_ - patience_ / 2)
        queue_.push_back(at);
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
