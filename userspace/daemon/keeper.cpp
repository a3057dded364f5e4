// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/keeper.hpp"

#include <utility>

#include "base/clock.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "taps/kept.hpp"

namespace ksms {

struct Keeper::State {
    State(Objects of, Guard&& by)
        : objects(std::move(of)), guard(std::move(by)), taps(objects, guard) {}

    Objects objects;
    Guard guard;
    KeptTaps taps;
};

Keeper::Keeper() = default;
Keeper::~Keeper() = default;

void Keeper::keep(const PinRoot& root, const Plan& plan) {
    if (hopeless_) return;
    if (!state_) {
        auto objects = Objects::open(root);
        if (!objects || objects->program(Program::tcx_ingress) < 0) {
            hopeless_ = true;
            return;
        }
        auto guard = Guard::start(*objects);
        if (!guard) return;
        state_ = std::make_unique<State>(std::move(*objects), std::move(*guard));
    }
    [[maybe_unused]] auto done = state_->taps.release_idle(monotonic_ns());
    for (const auto& router : plan.routers) done = state_->taps.keep(router.netns);
    for (const auto& entry : plan.entries) done = state_->taps.keep(entry.netns);
    for (const auto& host : plan.destination_hosts) done = state_->taps.keep(host);
}

}  // namespace ksms
