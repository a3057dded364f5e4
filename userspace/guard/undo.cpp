// SPDX-License-Identifier: BSD-2-Clause
#include "guard/undo.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <iterator>
#include <optional>
#include <utility>

#include "base/beside.hpp"
#include "base/generation.hpp"
#include "bpf/attach.hpp"

namespace ksms {
namespace {

constexpr int kReleaseTries = 100;  // EAGAIN: another call used the lease at this moment

/// The interface, the qdisc or the object itself does not exist any more.
bool is_gone(const Error& error) {
    return error.err == ENOENT || error.err == ENODEV || error.err == ENXIO || error.err == ESRCH;
}

Address address_of(const ksms_journal_entry& entry) {
    return Address::from_bytes(entry.family == 4 ? AF_INET : AF_INET6, entry.address);
}

Result<std::optional<Filter>> our_filter(Netlink& netlink, const ksms_journal_entry& entry) {
    KSMS_TRY(const auto standing, filters(netlink, entry.ifindex, entry.direction));
    const auto ours = std::ranges::find_if(standing, [&](const Filter& filter) {
        return filter.priority == entry.priority && filter.handle == entry.handle &&
               filter.kind == "bpf" && filter.name == kFilterName;
    });
    return ours == standing.end() ? std::nullopt : std::optional(*ours);
}

/// Another process may remove the filter meanwhile, or its qdisc (EINVAL). What counts is whether
/// the filter exists afterwards.
Status remove_our_filter(Netlink& netlink, const ksms_journal_entry& entry) {
    KSMS_TRY(const auto standing, our_filter(netlink, entry));
    if (!standing) return {};
    auto removed = remove_filter(netlink, *standing);
    if (removed) return {};
    KSMS_TRY(const auto still, our_filter(netlink, entry));
    return still ? removed : Status{};
}

Status remove_our_neighbour(Netlink& netlink, const ksms_journal_entry& entry) {
    const auto address = address_of(entry);
    KSMS_TRY(const auto standing, neighbour(netlink, entry.ifindex, address));
    if (!standing || standing->protocol != kNeighbourProtocol || !standing->mac) return {};
    if (!std::ranges::equal(*standing->mac, entry.lladdr)) return {};
    return remove_neighbour(netlink, entry.ifindex, address);
}

const char* direction_name(std::uint8_t direction) {
    return direction == KSMS_INGRESS ? "ingress" : "egress";
}

}  // namespace

void Undoer::forget_namespaces() {
    places_.clear();
    gone_.clear();
    listed_ = false;
}

Status Undoer::know(const Netns& netns) {
    if (places_.contains(netns.cookie())) return {};
    KSMS_TRY(auto duplicate, netns.duplicate());
    places_.emplace(netns.cookie(), Place{std::move(duplicate), {}, {}});
    return {};
}

Status Undoer::list_namespaces() {
    KSMS_TRY(auto all, all_netns());
    for (auto& netns : all) {
        const auto cookie = netns.cookie();
        if (cookie != 0) places_.try_emplace(cookie, Place{std::move(netns), {}, {}});
    }
    listed_ = true;
    return {};
}

Result<Undoer::Place*> Undoer::find(const ksms_journal_entry& entry) {
    auto known = places_.find(entry.cookie);
    if (known == places_.end() && !listed_) {
        KSMS_CHECK(list_namespaces());
        known = places_.find(entry.cookie);
    }
    if (known != places_.end()) return &known->second;
    if (!gone_.contains(entry.cookie)) {
        auto netns = find_netns(entry.netns, entry.cookie);  // it may be newer than the list
        if (netns)
            return &places_.emplace(entry.cookie, Place{std::move(*netns), {}, {}}).first->second;
        if (netns.error().code != Code::not_found) return std::unexpected(netns.error());
        gone_.insert(entry.cookie);
    }
    return fail(Code::not_found, fmt::format("the namespace with inode {} is gone", entry.netns));
}

Status Undoer::in_place(const ksms_journal_entry& entry,
                        const std::function<Status(Netlink&)>& work) {
    auto place = find(entry);
    if (!place) {
        if (place.error().code == Code::not_found) return {};
        return std::unexpected(place.error());
    }
    auto& netlink = (*place)->netlink;
    if (!netlink) {
        KSMS_TRY(netlink, Netlink::open((*place)->netns));
    }
    auto done = work(*netlink);
    if (!done && is_gone(done.error())) return {};
    return done;
}

std::vector<Outcome> Undoer::undo(std::span<const JournalItem> items) {
    std::vector<Outcome> outcomes;
    std::vector<JournalItem> taps;
    for (const auto& item : items)
        if (item.entry.kind == KSMS_DID_TAP)
            taps.push_back(item);
        else
            outcomes.push_back({item, {}});
    // The arrays of a scan take a grace period, in which the others are undone; but a DSCP is free
    // when nothing of the scan under it is left.
    std::vector<std::pair<Outcome*, std::future<Status>>> scans;
    for (auto& each : outcomes)
        if (each.item.entry.kind == KSMS_DID_SCAN)
            scans.emplace_back(&each, beside([this, &each] { return undo_one(each.item); }));
    const auto is_apart = [](const Outcome& each) {
        return each.item.entry.kind == KSMS_DID_SCAN || each.item.entry.kind == KSMS_DID_LEASE;
    };
    for (auto& each : outcomes)
        if (!is_apart(each)) each.done = undo_one(each.item);
    for (auto& [outcome, done] : scans) outcome->done = done.get();
    for (auto& each : outcomes)
        if (each.item.entry.kind == KSMS_DID_LEASE) each.done = undo_one(each.item);
    std::ranges::move(undo_taps(taps), std::back_inserter(outcomes));
    return outcomes;
}

Status Undoer::undo_one(const JournalItem& item) {
    // Another process may undo the same entry, and a new scan may use the same objects.
    KSMS_TRY(const auto standing, objects_.journal.lookup(item.key));
    if (!standing) return {};
    KSMS_CHECK(take_back(item));
    KSMS_TRY([[maybe_unused]] const bool erased, objects_.journal.erase(item.key));
    return {};
}

Status Undoer::take_back(const JournalItem& item) {
    const auto& entry = item.entry;
    switch (entry.kind) {
        case KSMS_DID_QDISC: return objects_.journal.update(claim_key(entry), entry);
        case KSMS_DID_FILTER:
            return in_place(entry,
                            [&](Netlink& netlink) { return remove_our_filter(netlink, entry); });
        case KSMS_DID_NEIGHBOUR:
            return in_place(entry,
                            [&](Netlink& netlink) { return remove_our_neighbour(netlink, entry); });
        case KSMS_DID_SCAN: return clear_slot(item);
        case KSMS_DID_LEASE: return release_lease(entry);
        default: return fail(Code::failed, fmt::format("undo a deed of kind {}", entry.kind));
    }
}

/// The DSCP of a dead scan is free at once, and the next scan may use it already. That scan clears
/// the slot itself before it starts.
Status Undoer::clear_slot(const JournalItem& item) const {
    const auto& entry = item.entry;
    KSMS_TRY(const auto slot, objects_.scans.lookup(entry.dscp));
    const bool taken = slot && slot->owner_pid != 0;
    if (taken && (slot->owner_pid != item.key.pid || slot->generation != entry.generation))
        return {};
    if (!taken) {
        KSMS_TRY(const auto lease, objects_.registry.leases.lookup(entry.dscp));
        const bool held = lease && (lease->state & 0xff) != KSMS_LEASE_FREE;
        if (held && Generation::of_state(lease->state).low() != entry.generation) return {};
    }
    return clear_scan(objects_, entry.dscp, entry.generation);
}

Status Undoer::release_lease(const ksms_journal_entry& entry) const {
    ksms_registry_call call{};
    for (int tries = 0; tries < kReleaseTries; ++tries) {
        call = {};
        call.op = KSMS_OP_RELEASE;
        call.dscp = entry.dscp;
        call.generation = entry.generation;
        KSMS_CHECK(call_program(objects_.registry.program.get(), &call, sizeof call));
        if (call.result != EAGAIN) break;
    }
    if (call.result == 0 || call.result == ESTALE || call.result == ENOENT) return {};
    return fail_errno(static_cast<int>(call.result),
                      fmt::format("release the lease of DSCP {}", entry.dscp));
}

std::string Undoer::interface_in(const ksms_journal_entry& entry, std::string& netns) {
    auto number = fmt::format("interface {}", entry.ifindex);
    const auto place = find(entry);
    if (!place) {
        netns = place.error().code == Code::not_found
                    ? "a namespace that is gone"
                    : fmt::format("the namespace with inode {}", entry.netns);
        return number;
    }
    netns = (*place)->netns.name();
    auto& names = (*place)->names;
    if (!names) {
        names.emplace();
        [[maybe_unused]] const auto listed = in_place(entry, [&](Netlink& netlink) -> Status {
            KSMS_TRY(const auto all, links(netlink));
            for (const auto& link : all) names->emplace(link.ifindex, link.name);
            return {};
        });
    }
    const auto name = names->find(entry.ifindex);
    return name == names->end() ? number : name->second;
}

Undone Undoer::describe(const Outcome& outcome) {
    const auto& [key, entry] = outcome.item;
    Undone undone;
    if (!is_claim(key)) undone.owner = {key.pid, key.start};
    if (!outcome.done) undone.error = outcome.done.error().text();
    std::string netns;
    switch (entry.kind) {
        case KSMS_DID_QDISC: {
            const auto name = interface_in(entry, netns);
            undone.what = fmt::format("clsact on {} in {}", name, netns);
            break;
        }
        case KSMS_DID_FILTER: {
            const auto name = interface_in(entry, netns);
            undone.what = fmt::format("filter on {} ({}) in {}", name,
                                      direction_name(entry.direction), netns);
            break;
        }
        case KSMS_DID_NEIGHBOUR: {
            const auto name = interface_in(entry, netns);
            undone.what =
                fmt::format("neighbour {} on {} in {}", address_of(entry).text(), name, netns);
            break;
        }
        case KSMS_DID_SCAN: undone.what = fmt::format("scan under DSCP {}", entry.dscp); break;
        case KSMS_DID_LEASE: undone.what = fmt::format("lease of DSCP {}", entry.dscp); break;
        case KSMS_DID_TAP: undone.what = fmt::format("tap {}", entry.handle); break;
        default: undone.what = fmt::format("deed of kind {}", entry.kind);
    }
    return undone;
}

}  // namespace ksms
