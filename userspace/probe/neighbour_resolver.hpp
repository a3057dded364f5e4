// SPDX-License-Identifier: BSD-2-Clause
// Neighbours: resolved before the first probe, and for a destination that nobody answers for a
// temporary entry.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "guard/guard.hpp"
#include "judge/plan.hpp"
#include "os/netlink.hpp"
#include "route/network.hpp"

namespace ksms {

enum class NeighbourState {
    resolved,  ///< it answered, or there was a working entry
    faked,     ///< the destination did not answer: a temporary entry of ours stands for it
    missing,   ///< a gateway did not answer; it is never faked, since others use it too
};

class Resolver {
public:
    /// Asks for every neighbour of the plan at once (NTF_USE) and waits until all answered, 50 ms
    /// at most.
    /// @param network  that the plan was made of; outlives this, as the plan does
    static Result<Resolver> run(const Plan& plan, const Network& network, Guard& guard,
                                std::uint8_t dscp);

    /// One for each of plan.neighbours.
    [[nodiscard]] const std::vector<NeighbourState>& states() const { return states_; }
    /// Puts a temporary entry back that ran out meanwhile (a long scan). Working entries are left
    /// as they are.
    Status refresh();

private:
    struct Watch {
        Netlink netlink;
        std::vector<std::size_t> wanted;  ///< indices into plan.neighbours
    };
    Status ask(const Plan& plan);
    [[nodiscard]] nanoseconds patience(const Plan& plan) const;
    Status wait(const Plan& plan);
    Status fake_or_miss(const Plan& plan, Guard& guard, std::uint8_t dscp);

    [[nodiscard]] const Netns& netns_of(const Watch& watch) const;

    const Plan* plan_{nullptr};
    const Network* network_{nullptr};
    std::vector<Watch> watches_;
    std::vector<NeighbourState> states_;
    std::vector<bool> pending_;
    std::uint8_t dscp_{0};
};

}  // namespace ksms
