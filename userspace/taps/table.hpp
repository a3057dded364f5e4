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

/// Milliseconds that a link of another scan may take from its attachment to its row in the table;
/// on a busy machine that scan may wait for a processor in between.
inline constexpr int kShareAttempts = 1000;

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
    /// @param dscp  of the scan; KSMS_EVERY_SCAN for one that this process keeps
    Result<std::uint32_t> add(const TapPlace& place, std::uint32_t link, std::uint32_t dscp,
                              Guard* guard) const;
    struct Held {
        std::uint32_t id{0};
        bool standing{false};  ///< for every scan
        bool kept{false};      ///< standing, and gone with the last process that holds it
        std::uint32_t owner_pid{0};
        Fd link;
    };
    /// A standing or shared link on this place, held open; nothing where there is none. An entry
    /// whose link does not hang there (it is gone, or its interface is, and another one has the
    /// index) is removed. For a tap of an interface call it inside the namespace.
    Result<std::optional<Held>> find(const TapPlace& place) const;
    /// Is a tap of this kind entered there? Without a look whether its link is there.
    Result<bool> has(const TapPlace& place) const;
    /// From now on the tap is kept by this process, or stays (nobody's).
    enum class Holder { this_process, nobody };
    Status hand_over(std::uint32_t id, Holder to) const;
    Status remove(std::uint32_t id, const ksms_tap& tap) const;

private:
    const Objects& objects_;
};

}  // namespace ksms
