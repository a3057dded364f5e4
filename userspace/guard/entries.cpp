// SPDX-License-Identifier: BSD-2-Clause
// Journal entries, and the values that identify our objects in the kernel.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "guard/guard.hpp"

namespace ksms {
namespace {

ksms_journal_entry in_namespace(ksms_journal_kind kind, const Netns& netns, std::uint32_t ifindex) {
    ksms_journal_entry entry{};
    entry.kind = kind;
    entry.cookie = netns.cookie();
    entry.netns = netns.inode();
    entry.ifindex = ifindex;
    return entry;
}

ksms_journal_entry of_dscp(ksms_journal_kind kind, std::uint8_t dscp, std::uint32_t generation) {
    ksms_journal_entry entry{};
    entry.kind = kind;
    entry.dscp = dscp;
    entry.generation = generation;
    return entry;
}

}  // namespace

void add_warnings(const std::vector<Undone>& undone, std::vector<std::string>& warnings) {
    for (const auto& each : undone)
        if (!each.error.empty())
            warnings.push_back(fmt::format("not removed: {}: {}; `ksmsctl gc` tries again",
                                           each.what, each.error));
}

Mac fake_mac(std::uint8_t dscp) {
    return {0x02, 'k', 's', 'm', 0x00, dscp};
}

std::uint32_t filter_handle(ksms_direction direction, std::uint8_t dscp) {
    return 0x4b53u << 16 | static_cast<std::uint32_t>(direction) << 8 | dscp;
}

ksms_journal_entry did_qdisc(const Netns& netns, std::uint32_t ifindex) {
    return in_namespace(KSMS_DID_QDISC, netns, ifindex);
}

ksms_journal_entry did_filter(const Netns& netns, std::uint32_t ifindex, ksms_direction direction,
                              std::uint16_t priority, std::uint32_t handle) {
    auto entry = in_namespace(KSMS_DID_FILTER, netns, ifindex);
    entry.direction = static_cast<std::uint8_t>(direction);
    entry.priority = priority;
    entry.handle = handle;
    return entry;
}

ksms_journal_entry did_neighbour(const Netns& netns, std::uint32_t ifindex, const Address& address,
                                 const Mac& mac) {
    auto entry = in_namespace(KSMS_DID_NEIGHBOUR, netns, ifindex);
    entry.family = address.family == AF_INET ? 4 : 6;
    std::ranges::copy(address.bytes, entry.address);
    std::ranges::copy(mac, entry.lladdr);
    return entry;
}

ksms_journal_entry did_scan(std::uint8_t dscp, std::uint32_t generation) {
    return of_dscp(KSMS_DID_SCAN, dscp, generation);
}

ksms_journal_entry did_lease(std::uint8_t dscp, std::uint32_t generation) {
    return of_dscp(KSMS_DID_LEASE, dscp, generation);
}

ksms_journal_entry did_tap(std::uint32_t id) {
    ksms_journal_entry entry{};
    entry.kind = KSMS_DID_TAP;
    entry.handle = id;
    return entry;
}

}  // namespace ksms
