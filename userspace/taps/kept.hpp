// SPDX-License-Identifier: BSD-2-Clause
// Taps that exist as long as a process: TCX links held as descriptors and never pinned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "os/netns.hpp"
#include "taps/table.hpp"

namespace ksms {

/// Limits of kept taps. Above them the router that was requested longest ago is released.
struct KeptLimits {
    std::size_t routers{256};
    std::size_t taps{4096};                      ///< each is a descriptor, and one of KSMS_MAX_TAPS
    nanoseconds idle{std::chrono::minutes(10)};  ///< see release_idle()
};

/// Scans find these taps like those of `tap attach` and hold the links that they use, so a verdict
/// does not depend on this object or its process. Several processes may keep taps on a router: they
/// hold the same links, which are removed with the last holder. A running clsact scan continues
/// with its filters; a TCX link of a scan is kept from then on. Not thread-safe. A forked child
/// that does not exec holds the links too.
class KeptTaps {
public:
    /// Both outlive this object.
    KeptTaps(const Objects& objects, Guard& guard, KeptLimits limits = {});
    KeptTaps(const KeptTaps&) = delete;
    KeptTaps& operator=(const KeptTaps&) = delete;
    ~KeptTaps();  ///< releases everything

    /// Keeps an ingress and an egress tap on every interface except loopback and bridge ports, so
    /// that the namespace is covered as router, source and destination. Idempotent: existing taps
    /// stay, missing ones (a new interface, a removed tap) are added, those of deleted interfaces
    /// are released. After an error the kept taps stay, and scans attach their own where one is
    /// missing.
    /// @return the number of new taps; Code::failed if the kernel has no TCX (Linux 6.6), or the
    /// router needs more taps than the limit
    Result<std::size_t> keep(const Netns& netns);
    /// Releases the taps of a router. Running scans hold them until they end.
    /// @param inode  of the namespace, Netns::inode()
    /// @return the number of released taps
    Result<std::size_t> release(std::uint32_t inode);
    /// Releases routers that were not requested within KeptLimits::idle, and those without
    /// interfaces.
    /// @return the number of released taps
    Result<std::size_t> release_idle(Instant now);

    [[nodiscard]] std::size_t size() const;  ///< taps held
    [[nodiscard]] std::size_t routers() const { return routers_.size(); }

private:
    struct Place {
        std::uint32_t ifindex;
        ksms_direction direction;
        auto operator<=>(const Place&) const = default;
    };
    struct Tap {
        std::uint32_t id{0}, link_id{0};
        Fd link;
    };
    struct Router {
        std::uint64_t cookie{0};
        Instant asked;
        std::map<Place, Tap> taps;
    };

    Status make_room(std::uint32_t inode, std::size_t taps);
    Result<bool> keep_one(Router& router, const TapPlace& place);
    Result<bool> hold(Router& router, const TapPlace& place, TapTable::Held found);
    Status let_go(Router& router, const std::function<bool(const Place&)>& wanted);
    Status let_go_at(Router& router, const Place& place);

    const Objects& objects_;
    Guard& guard_;
    TapTable table_;
    KeptLimits limits_;
    std::map<std::uint32_t, Router> routers_;  ///< by the namespace's inode
};

}  // namespace ksms
