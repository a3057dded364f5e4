// SPDX-License-Identifier: BSD-2-Clause
#include "retry/limits.hpp"

#include <algorithm>
#include <vector>

namespace ksms {
namespace {

using Kind = LimitPlace::Kind;

// A policer of 10 kbit/s lets one more SYN pass.
constexpr std::chrono::milliseconds kProgramPause{50};

LimitWait slower(const std::optional<LimitWait>& wait, nanoseconds least) {
    auto found = wait.value_or(LimitWait{});
    found.interval = std::max(found.interval, least);
    return found;
}

/// The slowest of the limits that a probe passes.
class Slowest {
public:
    Slowest(const Plan& plan, std::uint32_t probe, const Service& service)
        : plan_(plan), probe_(probe), service_(service) {}

    /// @param all_before, all_here  also those that decide there and then
    std::optional<LimitWait> until(LimitPlace place, bool all_before, bool all_here) {
        const auto all = [&](Kind kind) { return place.kind == kind ? all_here : all_before; };
        // Rules of a source for what comes in would only cost time.
        if (!place.as_sent)
            take(plan_.entries[plan_.numbers().entry(probe_)].limits, all(Kind::source));
        if (place.kind == Kind::source) return slowest_;
        if (!place.as_sent || all_before) {
            // Where on the way a bridge is, the plan does not say.
            take(plan_.segment_limits, all(Kind::segment));
            for (const auto& hop : plan_.paths[plan_.path_of[probe_]].hops) {
                if (place.kind == Kind::router && hop.router == place.router) break;
                take(plan_.routers[hop.router].limits, all_before);
            }
        }
        if (place.kind == Kind::router) take(plan_.routers[place.router].limits, all_here);
        return slowest_;
    }

private:
    void take(const std::vector<RateLimit>& limits, bool all) {
        for (const auto& limit : limits) {
            if (!limit.services.may_have(service_) || (!all && !limit.either)) continue;
            if (!slowest_) slowest_ = LimitWait{};
            slowest_->interval = std::max(slowest_->interval, limit.interval);
            slowest_->guessed |= limit.guessed;
        }
    }

    const Plan& plan_;
    std::uint32_t probe_;
    const Service& service_;
    std::optional<LimitWait> slowest_;
};

}  // namespace

bool is_by_program(DropKind by) {
    return by == DropKind::tc_ingress || by == DropKind::tc_egress || by == DropKind::xdp;
}

std::optional<LimitWait> limit_at(const Plan& plan, std::uint32_t probe, const Service& service,
                                  LimitPlace place, DropKind by) {
    const auto wait = Slowest(plan, probe, service).until(place, false, by == DropKind::firewall);
    return is_by_program(by) ? slower(wait, kProgramPause) : wait;
}

std::optional<LimitWait> limit_up_to(const Plan& plan, std::uint32_t probe, const Service& service,
                                     LimitPlace place, DropKind by) {
    const bool all = by == DropKind::firewall;
    const auto wait = Slowest(plan, probe, service).until(place, all, all);
    return is_by_program(by) ? slower(wait, kProgramPause) : wait;
}

}  // namespace ksms
