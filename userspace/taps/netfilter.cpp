// SPDX-License-Identifier: BSD-2-Clause
#include "taps/netfilter.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "bpf/attach.hpp"

namespace ksms {
namespace {

constexpr std::int32_t kPlaces = 16;  // priorities that other links may use

Result<std::optional<RouterTap>> share(const TapTable& table, Guard& guard, const TapPlace& place) {
    KSMS_TRY(auto shared, table.find(place));
    if (!shared) return std::nullopt;
    KSMS_CHECK(guard.will(did_tap(shared->id)));
    KSMS_TRY(const auto id, link_id(shared->link.get()));
    return RouterTap{std::move(shared->link), id, shared->id};
}

}  // namespace

ksms_tap_kind netfilter_kind(int family) {
    return family == AF_INET ? KSMS_TAP_NETFILTER_IPV4 : KSMS_TAP_NETFILTER_IPV6;
}

Program netfilter_program(ksms_direction direction) {
    return direction == KSMS_INGRESS ? Program::netfilter_ingress : Program::netfilter_egress;
}

TapPlace router_place(const Netns& netns, ksms_direction direction, int family) {
    return {&netns, 0, "*", direction, netfilter_kind(family)};
}

Result<RouterTap> attach_router_tap(const Objects& objects, const TapTable& table, Guard& guard,
                                    const TapPlace& place, int family) {
    const int program = objects.program(netfilter_program(place.direction));
    if (program < 0)
        return fail(Code::failed,
                    "--tap netfilter: this kernel has no BPF netfilter links (Linux 6.4)",
                    "scan with --tap tc, the default");
    for (std::int32_t at = 0; at < kPlaces; ++at) {
        for (int attempt = 0; attempt < kShareAttempts; ++attempt) {
            KSMS_TRY(auto shared, share(table, guard, place));
            if (shared) return std::move(*shared);
            Result<Fd> link = fail(Code::failed, "");
            KSMS_CHECK(in_netns(*place.netns, [&]() -> Status {
                link = attach_netfilter(program, family, place.direction, at);
                return {};
            }));
            if (link) {
                KSMS_TRY(const auto id, link_id(link->get()));
                KSMS_TRY(const auto tap, table.add(place, id, 0, &guard));
                return RouterTap{std::move(*link), id, tap};
            }
            if (link.error().err != EBUSY) return std::unexpected(link.error());
            // Ours has its row soon. A second pair beside it would count each packet again.
            KSMS_TRY(const bool ours, netfilter_placed(program, family, place.direction, at));
            if (!ours) break;
            poll(nullptr, 0, 1);
        }
    }
    return fail(
        Code::failed,
        fmt::format("other netfilter links use every outer priority in {}", place.netns->name()),
        "scan with --tap tc");
}

}  // namespace ksms
