// SPDX-License-Identifier: BSD-2-Clause
#include "taps/find_standing.hpp"

#include "bpf/attach.hpp"

namespace ksms {

Result<std::vector<StandingTap>> find_standing(const TapTable& table, Guard& guard,
                                               const TapSite& site, ksms_direction direction,
                                               ksms_tap_kind kind) {
    const auto place = [&](std::size_t i) -> TapPlace {
        return {site.netns, site.interfaces[i], site.names[i], direction, kind};
    };
    // Check the table first, because entering the namespace is slower.
    for (std::size_t i = 0; i < site.interfaces.size(); ++i) {
        KSMS_TRY(const bool entered, table.has(place(i)));
        if (!entered) return std::vector<StandingTap>();
    }
    std::vector<StandingTap> found;
    KSMS_CHECK(in_netns(*site.netns, [&]() -> Status {
        for (std::size_t i = 0; i < site.interfaces.size(); ++i) {
            KSMS_TRY(auto tap, table.find(place(i)));
            if (!tap || !tap->standing) {
                found.clear();
                return {};
            }
            if (tap->kept) KSMS_CHECK(guard.will(did_tap(tap->id)));
            KSMS_TRY(const auto link, link_id(tap->link.get()));
            found.push_back({tap->id, link, std::move(tap->link)});
        }
        return {};
    }));
    return found;
}

}  // namespace ksms
