// SPDX-License-Identifier: BSD-2-Clause
// The maps `taps` and `tap_ids`: ids taken, found and given back. For the files of this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "os/netns.hpp"

namespace ksms {

/// What a tap's entry says of its place.
struct TapPlace {
    const Netns* netns{nullptr};
    std::uint32_t ifindex{0};
    std::string interface;
    ksms_direction direction{KSMS_INGRESS};
    ksms_tap_kind kind{KSMS_TAP_NONE};
};

class TapTable {
public:
    explicit TapTable(const Objects& objects) : objects_(objects) {}

    /// Takes a free id and enters the tap. A temporary one is journaled first.
    /// @param link  id of the BPF link, 0 for clsact
    Result<std::uint32_t> add(const TapPlace& place, std::uint32_t link, std::uint8_t dscp,
                              Guard* guard) const;
    /// A standing or shared link on this place, held open; nothing where there is none (an entry
    /// whose link is gone is removed).
    struct Held {
        std::uint32_t id{0};
        bool standing{false};
        Fd link;
    };
    Result<std::optional<Held>> find(const TapPlace& place) const;
    Status remove(std::uint32_t id, const ksms_tap& tap) const;

private:
    const Objects& objects_;
};

}  // namespace ksms
