// SPDX-License-Identifier: BSD-2-Clause
#include "taps/traffic.hpp"

#include <poll.h>

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {
namespace {

// What sends less than a packet in this time loses one in fewer than one of five scans at worst:
// 2 x 0.5 ms of silence, a packet every 5 ms.
constexpr std::uint64_t kWindow = 5'000'000;  // ns

void wait_until(std::uint64_t end_ns) {
    for (auto now = monotonic_ns(); now < end_ns; now = monotonic_ns())
        poll(nullptr, 0, static_cast<int>((end_ns - now) / 1'000'000 + 1));
}

}  // namespace

Status Traffic::look(const std::vector<TapSite>& sites) {
    for (const auto& site : sites) {
        KSMS_TRY(auto netlink, Netlink::open(*site.netns));
        KSMS_TRY(const auto all, links(netlink));
        for (const auto& link : all) sent_[{site.netns->inode(), link.ifindex}] = link.sent_packets;
    }
    looked_ns_ = monotonic_ns();
    return {};
}

Result<bool> Traffic::flows(const TapSite& site, std::span<const std::uint32_t> interfaces,
                            Netlink& netlink) const {
    wait_until(looked_ns_ + kWindow);
    KSMS_TRY(const auto all, links(netlink));
    return std::ranges::any_of(interfaces, [&](std::uint32_t ifindex) {
        const auto before = sent_.find({site.netns->inode(), ifindex});
        const auto now = std::ranges::find(all, ifindex, &Link::ifindex);
        return before != sent_.end() && now != all.end() && now->sent_packets != before->second;
    });
}

}  // namespace ksms
