// SPDX-License-Identifier: BSD-2-Clause
// Taps of a whole router: one netfilter link per direction for all interfaces. For the files of
// this room.
#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "taps/table.hpp"

namespace ksms {

struct RouterTap {
    Fd link;
    std::uint32_t link_id{0};
    std::uint32_t id{0};  ///< of its entry in `taps`
};

/// @param family  AF_INET or AF_INET6
ksms_tap_kind netfilter_kind(int family);
Program netfilter_program(ksms_direction direction);
/// The place of such a tap in the table.
TapPlace router_place(const Netns& netns, ksms_direction direction, int family);

/// Attaches the tap or shares the one of another scan. There can be only one, because the program
/// cannot tell for which link it runs.
/// @return Code::failed if the kernel has no netfilter links
Result<RouterTap> attach_router_tap(const Objects& objects, const TapTable& table, Guard& guard,
                                    const TapPlace& place, int family);

}  // namespace ksms
