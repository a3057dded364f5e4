// SPDX-License-Identifier: BSD-2-Clause
// The maps `taps` and `tap_ids`. For the files of this room.
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

/// Milliseconds that a link of another scan may take from its attachment to its row in the table;
/// on a busy machine that scan may wait for a processor in between.
inline constexpr int kShareAttempts = 1000;

/// The place of a tap.
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

    /// Enters a tap under a free id. A temporary tap is journaled first.
    /// @param link  id of the BPF link, 0 for clsact
    /// @param dscp  of the scan; KSMS_EVERY_SCAN for a tap that this process keeps
    Result<std::uint32_t> add(const TapPlace& place, std::uint32_t link, std::uint32_t dscp,
                              Guard* guard) const;
    struct Held {
        std::uint32_t id{0};
        bool standing{false};  ///< for every scan
        bool kept{false};      ///< standing until the last holder of its link ends
        std::uint32_t owner_pid{0};
        Fd link;
    };
    /// Finds a standing or shared link at this place and holds it. Removes an entry whose link is
    /// not attached there (the link or the interface is gone). Call it inside the namespace for a
    /// tap of an interface.
    Result<std::optional<Held>> find(const TapPlace& place) const;
    /// Whether a tap of this kind is entered for this place. Does not check its link.
    Result<bool> has(const TapPlace& place) const;
    /// Makes this process or nobody the owner: a kept or a standing tap.
    enum class Holder { this_process, nobody };
    Status hand_over(std::uint32_t id, Holder to) const;
    Status remove(std::uint32_t id, const ksms_tap& tap) const;

private:
    const Objects& objects_;
};

}  // namespace ksms
