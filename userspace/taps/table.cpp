// SPDX-License-Identifier: BSD-2-Clause
#include "taps/table.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/generation.hpp"
#include "bpf/attach.hpp"

namespace ksms {
namespace {

ksms_tap_id_key key_of(const TapPlace& place) {
    return {place.netns->inode(), place.ifindex, static_cast<std::uint32_t>(place.direction),
            static_cast<std::uint32_t>(place.kind)};
}

ksms_tap describe(const TapPlace& place, std::uint32_t link, std::uint32_t dscp, bool standing) {
    ksms_tap tap{};
    tap.router = place.netns->inode();
    tap.cookie = place.netns->cookie();
    tap.ifindex = place.ifindex;
    tap.direction = place.direction;
    tap.kind = place.kind;
    tap.dscp = dscp;
    tap.link = link;
    tap.owner_pid = standing ? 0 : static_cast<std::uint32_t>(getpid());
    place.interface.copy(tap.interface, sizeof tap.interface - 1);
    place.netns->name().copy(tap.router_name, sizeof tap.router_name - 1);
    return tap;
}

/// Whether the hook has this link. The link may outlive its interface, whose index may be reused,
/// so only the hook itself is reliable.
Result<bool> hangs_on(const TapPlace& place, std::uint32_t link) {
    if (place.kind == KSMS_TAP_XDP) return link_attached(link);
    if (place.kind != KSMS_TAP_TCX) return true;
    const auto there = tcx_links(place.ifindex, place.direction);
    if (!there && there.error().err == ENODEV) return false;
    if (!there) return std::unexpected(there.error());
    return std::ranges::find(*there, link) != there->end();
}

}  // namespace

Result<std::uint32_t> TapTable::add(const TapPlace& place, std::uint32_t link, std::uint32_t dscp,
                                    Guard* guard) const {
    auto& config = objects_.config.values()[0];
    auto tap = describe(place, link, dscp, guard == nullptr);
    if (place.kind == KSMS_TAP_CLSACT) {
        KSMS_TRY(const auto lease, objects_.registry.leases.lookup(dscp));
        if (lease) tap.generation = Generation::of_state(lease->state).low();
    }
    for (std::uint32_t attempt = 0; attempt < KSMS_MAX_TAPS; ++attempt) {
        const auto id = __atomic_fetch_add(&config.next_tap, 1u, __ATOMIC_RELAXED) % KSMS_MAX_TAPS;
        if (id == 0) continue;  // classid 0 means none
        KSMS_TRY(const auto used, objects_.taps.lookup(id));
        if (used) continue;
        if (guard != nullptr) KSMS_CHECK(guard->will(did_tap(id)));
        const auto added = objects_.taps.update(id, tap, Update::create);
        if (!added && added.error().err == EEXIST) {
            if (guard != nullptr) KSMS_CHECK(guard->forget(did_tap(id)));
            continue;
        }
        if (!added) return std::unexpected(added.error());
        if (place.kind != KSMS_TAP_CLSACT) KSMS_CHECK(objects_.tap_ids.update(key_of(place), id));
        return id;
    }
    return fail(Code::failed, fmt::format("all {} taps are in use", KSMS_MAX_TAPS - 1),
                "`ksmsctl tap list` shows them");
}

Result<std::optional<TapTable::Held>> TapTable::find(const TapPlace& place) const {
    KSMS_TRY(const auto id, objects_.tap_ids.lookup(key_of(place)));
    if (!id) return std::nullopt;
    KSMS_TRY(const auto tap, objects_.taps.lookup(*id));
    if (!tap) return std::nullopt;
    auto link = link_by_id(tap->link);
    if (!link && link.error().code != Code::not_found) return std::unexpected(link.error());
    bool here = link && tap->cookie == place.netns->cookie();
    if (here) {
        KSMS_TRY(here, hangs_on(place, tap->link));
    }
    if (!here) {
        KSMS_CHECK(remove(*id, *tap));
        return std::nullopt;
    }
    const bool kept = tap->dscp == KSMS_EVERY_SCAN;
    return Held{*id, kept || tap->owner_pid == 0, kept, tap->owner_pid, std::move(*link)};
}

Result<bool> TapTable::has(const TapPlace& place) const {
    KSMS_TRY(const auto id, objects_.tap_ids.lookup(key_of(place)));
    return id.has_value();
}

Status TapTable::hand_over(std::uint32_t id, Holder to) const {
    KSMS_TRY(auto tap, objects_.taps.lookup(id));
    if (!tap) return fail(Code::not_found, fmt::format("the tap {} is gone", id));
    const bool ours = to == Holder::this_process;
    tap->owner_pid = ours ? static_cast<std::uint32_t>(getpid()) : 0;
    tap->dscp = ours ? KSMS_EVERY_SCAN : 0;
    return objects_.taps.update(id, *tap, Update::existing);
}

Status TapTable::remove(std::uint32_t id, const ksms_tap& tap) const {
    const ksms_tap_id_key key{tap.router, tap.ifindex, tap.direction, tap.kind};
    KSMS_TRY(const auto there, objects_.tap_ids.lookup(key));
    if (there == id) KSMS_CHECK(objects_.tap_ids.erase(key));
    KSMS_CHECK(objects_.taps.erase(id));
    return {};
}

}  // namespace ksms
