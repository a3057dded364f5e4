// SPDX-License-Identifier: BSD-2-Clause
#include "probe/neighbour_resolver.hpp"

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {

const Netns& Resolver::netns_of(const Watch& watch) const {
    return network_->netns(plan_->neighbours[watch.wanted.front()].netns.number());
}

Result<Resolver> Resolver::run(const Plan& plan, const Network& network, Guard& guard,
                               std::uint8_t dscp) {
    Resolver resolver;
    resolver.plan_ = &plan;
    resolver.network_ = &network;
    resolver.dscp_ = dscp;
    resolver.states_.assign(plan.neighbours.size(), NeighbourState::resolved);
    resolver.pending_.assign(plan.neighbours.size(), false);
    KSMS_CHECK(resolver.ask(plan));
    KSMS_CHECK(resolver.wait(plan));
    KSMS_CHECK(resolver.fake_or_miss(plan, guard, dscp));
    return resolver;
}

Status Resolver::ask(const Plan& plan) {
    for (std::size_t i = 0; i < plan.neighbours.size(); ++i) {
        const auto& netns = plan.neighbours[i].netns;
        auto watch = std::ranges::find_if(watches_, [&](const Watch& each) {
            return plan.neighbours[each.wanted.front()].netns == netns;
        });
        if (watch == watches_.end()) {
            KSMS_TRY(auto netlink, Netlink::open(network_->netns(netns.number()), RTMGRP_NEIGH));
            watches_.push_back({std::move(netlink), {}});
            watch = watches_.end() - 1;
        }
        watch->wanted.push_back(i);
    }
    // A socket of its own for the questions: on one that listens, answers and notifications would
    // mix.
    for (auto& watch : watches_) {
        KSMS_TRY(auto netlink, Netlink::open(netns_of(watch)));
        for (const auto i : watch.wanted) {
            const auto& wanted = plan.neighbours[i];
            KSMS_TRY(const auto entry,
                     neighbour(netlink, wanted.interface.ifindex, wanted.address));
            if (entry && neighbour_works(entry->state)) continue;
            pending_[i] = true;
            KSMS_CHECK(use_neighbour(netlink, wanted.interface.ifindex, wanted.address));
        }
    }
    return {};
}

/// Who answers for an address that is not his own (a local route, a program) does it at once: on a
/// link in sight a question is answered while it is asked.
nanoseconds Resolver::patience(const Plan& plan) const {
    constexpr std::chrono::milliseconds for_nobody{5};
    for (std::size_t i = 0; i < pending_.size(); ++i)
        if (pending_[i] && !plan.neighbours[i].nobody) return kNeighbourPatience;
    return for_nobody;
}

Status Resolver::wait(const Plan& plan) {
    const auto begun = monotonic();
    while (std::ranges::find(pending_, true) != pending_.end()) {
        const auto now = monotonic(), deadline = begun + patience(plan);
        if (now >= deadline) break;
        std::vector<pollfd> ready;
        for (const auto& watch : watches_) ready.push_back({watch.netlink.fd(), POLLIN, 0});
        if (poll(ready.data(), ready.size(), poll_time(deadline - now)) <= 0) continue;
        for (std::size_t w = 0; w < watches_.size(); ++w) {
            if (ready[w].revents == 0) continue;
            const auto read =
                watches_[w].netlink.wait(nanoseconds(0), [&](const nlmsghdr* message) {
                    const auto seen = parse_neighbour(message);
                    if (!seen || !neighbour_works(seen->state)) return;
                    for (const auto i : watches_[w].wanted) {
                        const auto& wanted = plan.neighbours[i];
                        if (wanted.interface.ifindex == seen->ifindex &&
                            wanted.address == seen->address)
                            pending_[i] = false;
                    }
                });
            if (!read) return std::unexpected(read.error());
        }
    }
    return {};
}

Status Resolver::fake_or_miss(const Plan& plan, Guard& guard, std::uint8_t dscp) {
    for (auto& watch : watches_) {
        for (const auto i : watch.wanted) {
            if (!pending_[i]) continue;
            const auto& wanted = plan.neighbours[i];
            if (!wanted.is_destination) {
                states_[i] = NeighbourState::missing;
                continue;
            }
            KSMS_CHECK(guard.will(did_neighbour(network_->netns(wanted.netns.number()),
                                                wanted.interface.ifindex, wanted.address,
                                                fake_mac(dscp))));
            states_[i] = NeighbourState::faked;
        }
    }
    return refresh();
}

Status Resolver::refresh() {
    for (const auto& watch : watches_) {
        const auto faked = [&](std::size_t i) { return states_[i] == NeighbourState::faked; };
        if (std::ranges::none_of(watch.wanted, faked)) continue;
        KSMS_TRY(auto netlink, Netlink::open(netns_of(watch)));
        for (const auto i : watch.wanted) {
            if (!faked(i)) continue;
            const auto& wanted = plan_->neighbours[i];
            KSMS_CHECK(add_neighbour(netlink, wanted.interface.ifindex, wanted.address,
                                     fake_mac(dscp_), kNeighbourProtocol));
        }
    }
    return {};
}

}  // namespace ksms
