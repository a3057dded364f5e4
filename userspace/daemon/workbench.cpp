// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/workbench.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "taps/kept.hpp"

namespace ksms {
namespace {

// A router is examined at most this often. A scan attaches its own tap to a newer interface.
constexpr std::chrono::seconds kIdleLookEvery{1};

}  // namespace

/// Guards and taps refer to the objects, so they are created where these do not move.
struct Workbench::State {
    explicit State(Objects of) : objects(std::move(of)) {}

    static Result<std::unique_ptr<State>> open(const PinRoot& root) {
        KSMS_TRY(auto objects, Objects::open(root));
        auto state = std::make_unique<State>(std::move(objects));
        KSMS_TRY(auto guard, Guard::start(state->objects));
        state->guard.emplace(std::move(guard));
        if (state->objects.program(Program::tcx_ingress) < 0) return state;
        state->guard_of_taps.emplace(state->guard->another());
        state->taps.emplace(state->objects, *state->guard_of_taps);
        return state;
    }

    void keep(const Netns& netns, Instant now) {
        auto& looked = looked_at[netns.inode()];
        if (looked != Instant{} && now - looked < kIdleLookEvery) return;
        looked = now;
        [[maybe_unused]] const auto done = taps->keep(netns);
    }

    void look_for_idle(Instant now) {
        if (now - looked_for_idle < kIdleLookEvery) return;
        looked_for_idle = now;
        std::erase_if(looked_at,
                      [now](const auto& each) { return now - each.second >= kIdleLookEvery; });
        [[maybe_unused]] const auto done = taps->release_idle(now);
    }

    Objects objects;
    std::optional<Guard> guard, guard_of_taps;
    std::optional<KeptTaps> taps;
    std::map<std::uint32_t, Instant> looked_at;  ///< when, by the namespace's inode
    Instant looked_for_idle;
};

Workbench::Workbench() = default;
Workbench::~Workbench() = default;

Status Workbench::prepare(const PinRoot& root) {
    if (state_ && state_->objects.root().path == root.path && state_->objects.is_current() &&
        state_->guard->is_watched())
        return {};
    state_.reset();
    KSMS_TRY(state_, State::open(root));
    return {};
}

const Objects& Workbench::objects() const {
    return state_->objects;
}

Guard& Workbench::guard() {
    return *state_->guard;
}

void Workbench::keep(const Plan& plan, const Network& network) {
    if (!state_->taps) return;
    const auto now = monotonic();
    state_->look_for_idle(now);
    const auto keep = [&](const PlanNetns& netns) {
        state_->keep(network.netns(netns.number()), now);
    };
    for (const auto& router : plan.routers) keep(router.netns);
    for (const auto& entry : plan.entries) keep(entry.netns);
    for (const auto& host : plan.destination_hosts) keep(host);
}

}  // namespace ksms
