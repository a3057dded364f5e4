// SPDX-License-Identifier: BSD-2-Clause
// The first scan creates a clsact, the last one removes it, and they may be different scans. A scan
// holds NetnsLock::shared while it has filters in a namespace. A scan that leaves first turns its
// qdiscs into claims without an owner and then tries to get the lock exclusively: of two scans that
// leave together, the later one gets it and sees the claims of both. The lock of a dead scan is
// released, and whoever undoes its journal does this in its place.
#include <algorithm>
#include <map>
#include <set>

#include "guard/undo.hpp"

namespace ksms {
namespace {

/// Namespaces in which a living scan has filters, so that the lock is taken.
std::set<std::uint64_t> in_use(const Journal& journal) {
    std::set<std::uint64_t> cookies;
    for (const auto& [owner, items] : journal.owners) {
        if (!is_alive(owner)) continue;
        for (const auto& item : items)
            if (item.entry.kind == KSMS_DID_FILTER) cookies.insert(item.entry.cookie);
    }
    return cookies;
}

Result<bool> has_filters(Netlink& netlink, std::uint32_t ifindex) {
    for (const std::uint8_t direction : {KSMS_INGRESS, KSMS_EGRESS}) {
        KSMS_TRY(const auto standing, filters(netlink, ifindex, direction));
        if (!standing.empty()) return true;
    }
    return false;
}

Result<std::set<std::uint32_t>> with_clsact(Netlink& netlink) {
    KSMS_TRY(const auto all, qdiscs(netlink));
    std::set<std::uint32_t> found;
    for (const auto& qdisc : all)
        if (qdisc.kind == "clsact") found.insert(qdisc.ifindex);
    return found;
}

/// Another process may remove it meanwhile; the kernel returns ENOENT or EINVAL then.
Status remove_our_clsact(Netlink& netlink, std::uint32_t ifindex) {
    auto removed = remove_clsact(netlink, ifindex);
    if (removed) return {};
    KSMS_TRY(const auto still, with_clsact(netlink));
    return still.contains(ifindex) ? removed : Status{};
}

}  // namespace

std::vector<Outcome> Undoer::remove_unused(std::span<const JournalItem> claims) {
    std::vector<Outcome> removed;
    if (claims.empty()) return removed;
    std::set<std::uint32_t> clsacts;
    const auto listed = in_place(claims.front().entry, [&](Netlink& netlink) -> Status {
        KSMS_TRY(clsacts, with_clsact(netlink));
        return {};
    });
    for (const auto& claim : claims) {
        const auto standing = objects_.journal.lookup(claim.key);
        if (standing && !*standing) continue;  // another process has removed it meanwhile
        const auto ifindex = claim.entry.ifindex;
        bool used = false;
        auto done = listed;
        if (done && clsacts.contains(ifindex))
            done = in_place(claim.entry, [&](Netlink& netlink) -> Status {
                KSMS_TRY(used, has_filters(netlink, ifindex));
                return used ? Status{} : remove_our_clsact(netlink, ifindex);
            });
        if (used) continue;
        if (done) {
            const auto erased = objects_.journal.erase(claim.key);
            if (!erased) done = std::unexpected(erased.error());
        }
        removed.push_back({claim, std::move(done)});
    }
    return removed;
}

Result<std::vector<Outcome>> Undoer::remove_alone(std::span<const JournalItem> claims) {
    NetnsLock lock;
    const auto place = find(claims.front().entry);
    if (place) {
        KSMS_TRY(lock, NetnsLock::shared((*place)->netns));
        KSMS_TRY(const bool alone, lock.try_exclusive());
        if (!alone) return std::vector<Outcome>{};
    } else if (place.error().code != Code::not_found) {
        return std::unexpected(place.error());
    }
    return remove_unused(claims);
}

Result<std::vector<Outcome>> Undoer::remove_unused() {
    KSMS_TRY(const auto journal, Journal::read(objects_));
    if (journal.claims.empty()) return std::vector<Outcome>{};
    std::map<std::uint64_t, std::vector<JournalItem>> by_namespace;
    for (const auto& claim : journal.claims) by_namespace[claim.entry.cookie].push_back(claim);
    const auto used = in_use(journal);
    std::vector<Outcome> removed;
    for (const auto& [cookie, claims] : by_namespace) {
        if (used.contains(cookie)) continue;
        auto outcomes = remove_alone(claims);
        if (outcomes)
            std::ranges::move(*outcomes, std::back_inserter(removed));
        else
            for (const auto& claim : claims)
                removed.push_back({claim, std::unexpected(outcomes.error())});
    }
    return removed;
}

}  // namespace ksms
