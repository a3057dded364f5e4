// SPDX-License-Identifier: BSD-2-Clause
#include "taps/traffic.hpp"

#include <poll.h>

#include <algorithm>

#include "base/clock.hpp"

namespace ksms {
namespace {

// What sends less than a packet in this time loses one in fewer than one of eight scans at worst:
// 2 x 0.5 ms of silence, a packet every 3 ms that was not seen.
constexpr std::uint64_t kWindow = 3'000'000;  // ns

void wait_until(std::uint64_t end_ns) {
    for (auto now = monotonic_ns(); now < end_ns; now = monotonic_ns()) {
        const timespec rest{0, static_cast<long>(end_ns - now)};
        ppoll(nullptr, 0, &rest, nullptr);
    }
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
