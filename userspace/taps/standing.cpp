// SPDX-License-Identifier: BSD-2-Clause
// Standing taps: pinned links, which all scans use.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "bpf/attach.hpp"
#include "os/netlink.hpp"
#include "taps/table.hpp"
#include "taps/taps.hpp"

namespace ksms {
namespace {

std::string pin_name(std::uint64_t cookie, std::uint32_t ifindex, std::uint32_t direction,
                     std::uint32_t kind) {
    return fmt::format("links/{:x}_{}_{}_{}", cookie, ifindex, direction, kind);
}

std::string pin_path(const Objects& objects, const TapPlace& place) {
    return objects.pin_path(pin_name(place.netns->cookie(), place.ifindex,
                                     static_cast<std::uint32_t>(place.direction),
                                     static_cast<std::uint32_t>(place.kind)));
}

/// Attaches a link and pins it last: if this process is killed before, the link is removed and the
/// entry is recognized as stale. A kept tap is pinned and stays when its process ends.
/// @return the id of the tap; nothing if there is a standing one
Result<std::optional<std::uint32_t>> attach_one(const Objects& objects, const TapPlace& place) {
    const TapTable table(objects);
    KSMS_TRY(const auto there, table.find(place));
    if (there && there->kept) {
        KSMS_CHECK(pin(there->link.get(), pin_path(objects, place)));
        KSMS_CHECK(table.hand_over(there->id, TapTable::Holder::nobody));
        return there->id;
    }
    if (there && there->standing) return std::nullopt;
    const auto ingress = place.direction == KSMS_INGRESS;
    const auto which = place.kind == KSMS_TAP_XDP ? Program::xdp_ingress
                       : ingress                  ? Program::tcx_ingress
                                                  : Program::tcx_egress;
    const int program = objects.program(which);
    if (program < 0)
        return fail(Code::failed, "this kernel cannot run taps that stay (Linux 6.6)",
                    "a scan attaches its own");
    auto link = place.kind == KSMS_TAP_XDP ? attach_xdp(program, place.ifindex)
                                           : attach_tcx(program, place.ifindex, place.direction);
    if (!link && (link.error().err == EEXIST || link.error().err == EBUSY))
        return fail(Code::failed,
                    fmt::format("{} in {} is taken by {}", place.interface, place.netns->name(),
                                there ? "a scan that runs now" : "another program"),
                    there ? "try again after it has ended" : "`bpftool net` shows which");
    if (!link) return std::unexpected(link.error());
    KSMS_TRY(const auto number, link_id(link->get()));
    KSMS_TRY(const auto tap, table.add(place, number, 0, nullptr));
    const auto pinned = pin(link->get(), pin_path(objects, place));
    if (pinned) return tap;
    KSMS_CHECK(detach_standing(objects, {tap}));
    return std::unexpected(pinned.error());
}

Status detach_one(const Objects& objects, std::uint32_t id, const ksms_tap& tap) {
    const auto path = objects.pin_path(pin_name(tap.cookie, tap.ifindex, tap.direction, tap.kind));
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return fail_errno(errno, "remove the pin " + path);
    KSMS_CHECK(TapTable(objects).remove(id, tap));
    // Detach it even if others hold it: without its entry it counts nothing and blocks the place.
    return detach_link(tap.link);
}

/// Whether the filter or link of a tap exists.
Result<bool> is_present(const ksms_tap& tap, std::uint32_t id) {
    if (tap.link != 0) return link_exists(tap.link);
    const auto netns = find_netns(tap.router, tap.cookie);
    if (!netns && netns.error().code == Code::not_found) return false;
    if (!netns) return std::unexpected(netns.error());
    KSMS_TRY(auto netlink, Netlink::open(*netns));
    const auto standing = filters(netlink, tap.ifindex, static_cast<std::uint8_t>(tap.direction));
    if (!standing && standing.error().err == ENODEV) return false;
    if (!standing) return std::unexpected(standing.error());
    return std::ranges::any_of(*standing,
                               [&](const Filter& filter) { return filter.classid == id; });
}

}  // namespace

Result<std::vector<std::uint32_t>> attach_standing(const Objects& objects, const Netns& netns,
                                                   TapHooks hooks) {
    KSMS_TRY(auto netlink, Netlink::open(netns));
    KSMS_TRY(auto found, links(netlink));
    const auto all = own_links(std::move(found));
    std::vector<std::uint32_t> attached;
    const auto attach = [&](const Link& link, ksms_direction direction,
                            ksms_tap_kind kind) -> Status {
        KSMS_TRY(const auto tap,
                 attach_one(objects, {&netns, link.ifindex, link.name, direction, kind}));
        if (tap) attached.push_back(*tap);
        return {};
    };
    const auto done = in_netns(netns, [&]() -> Status {
        for (const auto& link : all) {
            for (const auto direction : {KSMS_INGRESS, KSMS_EGRESS})
                KSMS_CHECK(attach(link, direction, KSMS_TAP_TCX));
            if (hooks == TapHooks::xdp) KSMS_CHECK(attach(link, KSMS_INGRESS, KSMS_TAP_XDP));
        }
        return {};
    });
    if (done) return attached;
    KSMS_CHECK(detach_standing(objects, attached));
    return std::unexpected(done.error());
}

Status detach_standing(const Objects& objects, const std::vector<std::uint32_t>& taps) {
    for (const auto id : taps) {
        KSMS_TRY(const auto tap, objects.taps.lookup(id));
        if (tap) KSMS_CHECK(detach_one(objects, id, *tap));
    }
    return {};
}

Result<std::size_t> detach_standing(const Objects& objects, const Netns& netns) {
    std::vector<std::pair<std::uint32_t, ksms_tap>> standing;
    KSMS_CHECK(objects.taps.for_each([&](const std::uint32_t& id, const ksms_tap& tap) {
        if (tap.owner_pid == 0 && tap.cookie == netns.cookie()) standing.emplace_back(id, tap);
    }));
    for (const auto& [id, tap] : standing) KSMS_CHECK(detach_one(objects, id, tap));
    return standing.size();
}

Result<std::vector<std::uint32_t>> scans_on(const Objects& objects, const Netns& netns) {
    const auto is_link = [](std::uint8_t kind) {
        return kind == KSMS_TAP_TCX || kind == KSMS_TAP_XDP;
    };
    std::vector<std::uint32_t> dscps;
    KSMS_CHECK(objects.scan_routers.for_each(
        [&](const ksms_scan_router_key& key, const ksms_scan_router& router) {
            if (key.router == netns.inode() &&
                (is_link(router.ingress_kind) || is_link(router.egress_kind)))
                dscps.push_back(key.dscp);
        }));
    std::ranges::sort(dscps);
    return dscps;
}

Result<std::vector<TapRow>> list_taps(const Objects& objects) {
    std::vector<TapRow> rows;
    KSMS_CHECK(objects.taps.for_each([&](const std::uint32_t& id, const ksms_tap& tap) {
        const bool kept = tap.dscp == KSMS_EVERY_SCAN;
        rows.push_back({id, tap, kept || tap.owner_pid == 0, false});
    }));
    for (auto& row : rows) {
        KSMS_TRY(row.present, is_present(row.tap, row.id));
    }
    std::ranges::sort(rows, {}, &TapRow::id);
    return rows;
}

}  // namespace ksms
