// SPDX-License-Identifier: BSD-2-Clause
#include "taps/table.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "bpf/attach.hpp"

namespace ksms {
namespace {

ksms_tap_id_key key_of(const TapPlace& place) {
    return {place.netns->inode(), place.ifindex, static_cast<std::uint32_t>(place.direction),
            static_cast<std::uint32_t>(place.kind)};
}

ksms_tap describe(const TapPlace& place, std::uint32_t link, std::uint8_t dscp, bool standing) {
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

}  // namespace

Result<std::uint32_t> TapTable::add(const TapPlace& place, std::uint32_t link, std::uint8_t dscp,
                                    Guard* guard) const {
    auto& config = objects_.config.values()[0];
    auto tap = describe(place, link, dscp, guard == nullptr);
    if (place.kind == KSMS_TAP_CLSACT) {
        KSMS_TRY(const auto lease, objects_.registry.leases.lookup(dscp));
        if (lease) tap.generation = static_cast<std::uint32_t>(lease->state >> 8);
    }
    for (std::uint32_t attempt = 0; attempt < KSMS_MAX_TAPS; ++attempt) {
        const auto id = __atomic_fetch_add(&config.next_tap, 1u, __ATOMIC_RELAXED) % KSMS_MAX_TAPS;
        if (id == 0) continue;  // a classid of 0 is none
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
    if (link && tap->cookie == place.netns->cookie())
        return Held{*id, tap->owner_pid == 0, std::move(*link)};
    if (!link && link.error().code != Code::not_found) return std::unexpected(link.error());
    KSMS_CHECK(remove(*id, *tap));
    return std::nullopt;
}

Status TapTable::remove(std::uint32_t id, const ksms_tap& tap) const {
    const ksms_tap_id_key key{tap.router, tap.ifindex, tap.direction, tap.kind};
    KSMS_TRY(const auto there, objects_.tap_ids.lookup(key));
    if (there == id) KSMS_CHECK(objects_.tap_ids.erase(key));
    KSMS_CHECK(objects_.taps.erase(id));
    return {};
}

}  // namespace ksms
