// SPDX-License-Identifier: BSD-2-Clause
#include "taps/traffic.hpp"

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {
namespace {

// An interface that sends less than one packet in this time loses one in at most every eighth scan:
// 2 x 0.5 ms of silence, an unseen packet every 3 ms.
constexpr std::chrono::milliseconds kWindow{3};

void wait_until(Instant end) {
    for (auto now = monotonic(); now < end; now = monotonic()) pause_for(end - now);
}

}  // namespace

void Traffic::know(const Netns& netns, const std::vector<Link>& links, Instant read) {
    auto& seen = seen_[netns.inode()] = {read, {}};
    for (const auto& link : links) seen.sent[link.ifindex] = link.sent_packets;
}

Status Traffic::look(const std::vector<TapSite>& sites) {
    for (const auto& site : sites) {
        if (seen_.contains(site.netns->inode())) continue;
        KSMS_TRY(auto netlink, Netlink::open(*site.netns));
        KSMS_TRY(const auto all, links(netlink));
        know(*site.netns, all, monotonic());
    }
    return {};
}

Result<bool> Traffic::flows(const TapSite& site, std::span<const std::uint32_t> interfaces,
                            Netlink& netlink) const {
    const auto seen = seen_.find(site.netns->inode());
    if (seen == seen_.end()) return false;
    wait_until(seen->second.read + kWindow);
    const auto& sent = seen->second.sent;
    KSMS_TRY(const auto all, links(netlink));
    return std::ranges::any_of(interfaces, [&](std::uint32_t ifindex) {
        const auto before = sent.find(ifindex);
        const auto now = std::ranges::find(all, ifindex, &Link::ifindex);
        return before != sent.end() && now != all.end() && now->sent_packets != before->second;
    });
}

}  // namespace ksms
