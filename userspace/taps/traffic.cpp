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

Status Traffic::look(const std::vector<TapSite>& sites) {
    for (const auto& site : sites) {
        KSMS_TRY(auto netlink, Netlink::open(*site.netns));
        KSMS_TRY(const auto all, links(netlink));
        for (const auto& link : all) sent_[{site.netns->inode(), link.ifindex}] = link.sent_packets;
    }
    looked_ = monotonic();
    return {};
}

Result<bool> Traffic::flows(const TapSite& site, std::span<const std::uint32_t> interfaces,
                            Netlink& netlink) const {
    wait_until(looked_ + kWindow);
    KSMS_TRY(const auto all, links(netlink));
    return std::ranges::any_of(interfaces, [&](std::uint32_t ifindex) {
        const auto before = sent_.find({site.netns->inode(), ifindex});
        const auto now = std::ranges::find(all, ifindex, &Link::ifindex);
        return before != sent_.end() && now != all.end() && now->sent_packets != before->second;
    });
}

}  // namespace ksms
