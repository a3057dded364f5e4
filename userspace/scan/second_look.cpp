// SPDX-License-Identifier: BSD-2-Clause
#include "scan/second_look.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {
namespace {

// Up to so many are tried, of more a sample of so many; the rest where one of them turns.
constexpr std::size_t kSample = 64;
// A try that nothing was heard of is made again, so often in all.
constexpr std::uint8_t kTries = 3;
// Limits count in jiffies: up to 10 ms each.
constexpr std::uint64_t kMargin = 12'000'000;

}  // namespace

bool SecondLook::is_by_firewall(std::uint32_t reason) const {
    return names_.reason(reason) == "NETFILTER_DROP";
}

/// Some copy of it got through this router.
bool SecondLook::passes(std::size_t router, std::uint32_t probe, const ksms_drop& drop) const {
    const auto slot = sites_.router_slots[router];
    if (store_.counter(slot, KSMS_EGRESS, probe).packets > 0) return true;
    const auto& path = plan_.paths[plan_.path_of[probe]];
    const auto hop = std::ranges::find(path.hops, router, &PlanHop::router);
    return hop != path.hops.end() && hop->local &&
           store_.counter(slot, KSMS_INGRESS, probe).packets > drop.count;
}

bool SecondLook::stopped_at(std::size_t router, std::uint32_t probe) const {
    const auto drop = store_.drop(sites_.router_slots[router], probe);
    return drop.count > 0 && is_by_firewall(drop.reason) && !passes(router, probe, drop);
}

/// Counts up with everything that can end a probe's way.
std::uint64_t SecondLook::events_of(std::uint32_t probe) const {
    std::uint64_t events = 0;
    for (std::size_t slot = 0; slot < sites_.store.size(); ++slot)
        events += store_.drop(slot, probe).count;
    const auto& path = plan_.paths[plan_.path_of[probe]];
    if (path.hops.empty()) return events;
    const auto& last = path.hops.back();
    return events + store_
                        .counter(sites_.router_slots[last.router],
                                 last.local ? KSMS_INGRESS : KSMS_EGRESS, probe)
                        .packets;
}

/// Keeps the candidates that a rule may have limited.
/// @return how long its slowest rule asks to wait; 0: there is none
std::uint64_t SecondLook::interval_for(std::size_t router, std::vector<Candidate>& candidates) {
    const auto& netns = plan_.routers[router].netns;
    const auto limits = rate_limits(netns, store_.header().source.family);
    if (!limits) {
        warnings_.push_back(fmt::format("{}: whether its firewall limits rates is not known: {}",
                                        netns.name(), limits.error().text()));
        return kUsualInterval;
    }
    std::uint64_t slowest = 0;
    std::erase_if(candidates, [&](const Candidate& candidate) {
        bool concerned = false;
        for (const auto& limit : *limits) {
            if (!limit.may_concern(store_.service(candidate.probe))) continue;
            concerned = true;
            slowest = std::max(slowest, limit.interval_ns);
        }
        return !concerned;
    });
    if (slowest <= patience_ns_) return slowest;
    warnings_.push_back(fmt::format(
        "{} limits rates to one packet in {} s: a NO of its firewall may be that; a longer "
        "--timeout waits for it",
        netns.name(), slowest / 1'000'000'000));
    candidates.clear();
    return 0;
}

void SecondLook::begin(std::size_t router) {
    begun_ = true;
    auto& look = looks_[router];
    for (std::uint32_t probe = 0; probe < sent_.size(); ++probe)
        if (sent_[probe] > 0 && stopped_at(router, probe)) look.candidates.push_back({probe});
    if (look.candidates.empty()) return;
    const auto interval = interval_for(router, look.candidates);
    if (look.candidates.empty()) return;
    if (until_ns_ == 0) until_ns_ = monotonic_ns() + patience_ns_;
    quiet_ns_ = std::max(quiet_ns_, interval + interval / 20 + kMargin);
    queue(kSample);
}

/// Puts those that wait into the queue: all of them, or a sample spread evenly.
void SecondLook::queue(std::size_t most) {
    const auto& candidates = looks_[router_].candidates;
    const auto count = std::min(most, candidates.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto at = i * candidates.size() / count;
        if (candidates[at].state == State::waits && candidates[at].tries == 0) queue_.push_back(at);
    }
}

std::optional<SecondLook::Try> SecondLook::next() {
    looks_.resize(plan_.routers.size());
    while (router_ < plan_.routers.size()) {
        if (!begun_) begin(router_);
        if (until_ns_ != 0 && monotonic_ns() + quiet_ns_ > until_ns_) return std::nullopt;
        if (queue_.empty()) {
            ++router_;
            begun_ = false;
            continue;
        }
        trying_ = queue_.front();
        queue_.pop_front();
        const auto probe = looks_[router_].candidates[*trying_].probe;
        drops_before_ = store_.drop(sites_.router_slots[router_], probe).count;
        events_before_ = events_of(probe);
        return Try{probe, quiet_ns_};
    }
    return std::nullopt;
}

bool SecondLook::met_its_end() const {
    return events_of(looks_[router_].candidates[*trying_].probe) > events_before_;
}

void SecondLook::take() {
    auto& look = looks_[router_];
    auto& candidate = look.candidates[*trying_];
    ++candidate.tries;
    const auto drop = store_.drop(sites_.router_slots[router_], candidate.probe);
    if (passes(router_, candidate.probe, drop)) {
        candidate.state = State::passed;
        if (!std::exchange(look.turned, true) && look.candidates.size() > kSample) {
            queue_.clear();
            queue(look.candidates.size());
        }
    } else if (drop.count > drops_before_) {
        candidate.state = State::stays;
    } else if (candidate.tries < kTries) {
        queue_.push_back(*trying_);
    }
}

std::vector<std::uint32_t> SecondLook::undecided() const {
    std::vector<std::uint32_t> probes;
    for (const auto& look : looks_) {
        if (!look.turned) continue;
        for (const auto& candidate : look.candidates)
            if (candidate.state == State::waits) probes.push_back(candidate.probe);
    }
    return probes;
}

}  // namespace ksms
