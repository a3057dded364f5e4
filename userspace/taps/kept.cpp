// SPDX-License-Identifier: BSD-2-Clause
#include "taps/kept.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/clock.hpp"
#include "bpf/attach.hpp"
#include "os/netlink.hpp"
#include "os/process.hpp"

namespace ksms {
namespace {

constexpr int kAttempts = 100;  // 1 ms apart, while a scan enters or removes its link

bool has_ended(std::uint32_t pid) {
    const auto process = process_id(pid);
    return !process && process.error().code == Code::not_found;
}

}  // namespace

KeptTaps::KeptTaps(const Objects& objects, Guard& guard, KeptLimits limits)
    : objects_(objects), guard_(guard), table_(objects), limits_(limits) {}

KeptTaps::~KeptTaps() {
    // Failures stay in the journal.
    while (!routers_.empty()) {
        const auto inode = routers_.begin()->first;
        if (!release(inode)) routers_.erase(inode);
    }
}

Result<std::size_t> KeptTaps::keep(const Netns& netns) {
    if (objects_.program(Program::tcx_ingress) < 0 || objects_.program(Program::tcx_egress) < 0)
        return fail(Code::failed, "this kernel cannot run taps that are kept (Linux 6.6)",
                    "a scan attaches its own");
    if (const auto known = routers_.find(netns.inode());
        known != routers_.end() && known->second.cookie != netns.cookie())
        KSMS_CHECK(release(netns.inode()));
    KSMS_TRY(auto netlink, Netlink::open(netns));
    KSMS_TRY(auto all, links(netlink));
    const auto wanted = own_links(std::move(all));
    KSMS_CHECK(make_room(netns.inode(), wanted.size() * KSMS_DIRECTIONS));

    auto& router = routers_[netns.inode()];
    router.cookie = netns.cookie();
    router.asked = monotonic();
    KSMS_CHECK(let_go(router, [&](const Place& place) {
        return std::ranges::find(wanted, place.ifindex, &Link::ifindex) == wanted.end();
    }));

    std::size_t added = 0;
    KSMS_CHECK(in_netns(netns, [&]() -> Status {
        for (const auto& link : wanted)
            for (const auto direction : {KSMS_INGRESS, KSMS_EGRESS}) {
                KSMS_TRY(const bool new_one, keep_one(router, {&netns, link.ifindex, link.name,
                                                               direction, KSMS_TAP_TCX}));
                added += new_one ? 1 : 0;
            }
        return {};
    }));
    return added;
}

/// @return whether it was not held before
Result<bool> KeptTaps::keep_one(Router& router, const TapPlace& place) {
    const int program = objects_.program(place.direction == KSMS_INGRESS ? Program::tcx_ingress
                                                                         : Program::tcx_egress);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        KSMS_TRY(auto found, table_.find(place));
        if (found) return hold(router, place, std::move(*found));
        // A link of ours whose entry was removed would block the new one.
        KSMS_CHECK(let_go_at(router, {place.ifindex, place.direction}));
        auto link = attach_tcx(program, place.ifindex, place.direction);
        if (link) {
            KSMS_TRY(const auto number, link_id(link->get()));
            KSMS_TRY(const auto id, table_.add(place, number, KSMS_EVERY_SCAN, &guard_));
            router.taps[{place.ifindex, place.direction}] = {id, number, std::move(*link)};
            return true;
        }
        if (link.error().err == ENODEV) return false;  // the interface went meanwhile
        if (link.error().err != EEXIST && link.error().err != EBUSY)
            return std::unexpected(link.error());
        poll(nullptr, 0, 1);
    }
    return fail(Code::failed,
                fmt::format("{} in {} has a TCX link of ksms that no tap describes",
                            place.interface, place.netns->name()),
                "try again when the process that holds it has ended; `bpftool link` shows it");
}

/// Holds a link that another process keeps, a pinned link, or a link of a scan.
Result<bool> KeptTaps::hold(Router& router, const TapPlace& place, TapTable::Held found) {
    const Place key{place.ifindex, place.direction};
    const bool orphan = found.kept && has_ended(found.owner_pid);
    const auto mine = router.taps.find(key);
    const bool held = mine != router.taps.end() && mine->second.id == found.id;
    if (!held) {
        KSMS_CHECK(let_go_at(router, key));
        KSMS_CHECK(guard_.will(did_tap(found.id)));
        KSMS_TRY(const auto number, link_id(found.link.get()));
        router.taps[key] = {found.id, number, std::move(found.link)};
    }
    if (!found.standing || orphan)
        KSMS_CHECK(table_.hand_over(found.id, TapTable::Holder::this_process));
    return !held;
}

Status KeptTaps::let_go(Router& router, const std::function<bool(const Place&)>& wanted) {
    std::set<std::uint32_t> ids;
    std::erase_if(router.taps, [&](const auto& each) {
        const bool goes = wanted(each.first);
        if (goes) ids.insert(each.second.id);
        return goes;
    });
    if (ids.empty()) return {};
    const auto failures = guard_.undo_taps(ids);
    if (failures.empty()) return {};
    return fail(Code::failed, failures.front().error);
}

Status KeptTaps::let_go_at(Router& router, const Place& place) {
    return let_go(router, [&](const Place& each) { return each == place; });
}

Status KeptTaps::make_room(std::uint32_t inode, std::size_t taps) {
    if (taps > limits_.taps)
        return fail(Code::failed,
                    fmt::format("{} taps on one router: {} may be kept", taps, limits_.taps),
                    "scans attach their own there");
    const auto known = routers_.find(inode);
    const auto own = known == routers_.end() ? 0 : known->second.taps.size();
    const auto fits = [&] {
        const auto others = routers_.size() - (routers_.contains(inode) ? 1 : 0);
        return others < limits_.routers && size() - own + taps <= limits_.taps;
    };
    while (!fits()) {
        auto oldest = routers_.end();
        for (auto each = routers_.begin(); each != routers_.end(); ++each)
            if (each->first != inode &&
                (oldest == routers_.end() || each->second.asked < oldest->second.asked))
                oldest = each;
        if (oldest == routers_.end()) return {};
        KSMS_CHECK(release(oldest->first));
    }
    return {};
}

Result<std::size_t> KeptTaps::release(std::uint32_t inode) {
    const auto router = routers_.find(inode);
    if (router == routers_.end()) return 0;
    const auto count = router->second.taps.size();
    const auto gone = let_go(router->second, [](const Place&) { return true; });
    routers_.erase(router);
    if (!gone) return std::unexpected(gone.error());
    return count;
}

Result<std::size_t> KeptTaps::release_idle(Instant now) {
    std::vector<std::uint32_t> idle;
    for (const auto& [inode, router] : routers_) {
        bool gone = true;
        for (const auto& [place, tap] : router.taps) {
            KSMS_TRY(const bool attached, link_attached(tap.link_id));
            gone &= !attached;
        }
        if (gone || now - router.asked >= limits_.idle) idle.push_back(inode);
    }
    std::size_t released = 0;
    for (const auto inode : idle) {
        KSMS_TRY(const auto count, release(inode));
        released += count;
    }
    return released;
}

std::size_t KeptTaps::size() const {
    std::size_t count = 0;
    for (const auto& [inode, router] : routers_) count += router.taps.size();
    return count;
}

}  // namespace ksms
