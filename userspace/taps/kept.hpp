// SPDX-License-Identifier: BSD-2-Clause
// Taps that stand as long as a process does: TCX links held as descriptors and never pinned.
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

/// How much may be kept at once; beyond it the router goes that was asked for longest ago.
struct KeptLimits {
    std::size_t routers{256};
    std::size_t taps{4096};                      ///< each is a descriptor, and one of KSMS_MAX_TAPS
    nanoseconds idle{std::chrono::minutes(10)};  ///< not asked for as long: see release_idle()
};

/// Scans find these as they find the taps of `tap attach`, and hold the links that they use: a
/// verdict does not depend on whether this object, or its process, lives. Several processes may
/// keep taps on one router; they hold the same links, and the last one takes them along.
/// A clsact scan that runs goes on counting with its filters; a TCX link of a scan's own is kept
/// from then on. Not for several threads at once. A child that is forked and does not exec holds
/// the links too.
class KeptTaps {
public:
    /// Both outlive this object.
    KeptTaps(const Objects& objects, Guard& guard, KeptLimits limits = {});
    KeptTaps(const KeptTaps&) = delete;
    KeptTaps& operator=(const KeptTaps&) = delete;
    ~KeptTaps();  ///< lets everything go

    /// An ingress and an egress tap on every interface but loopback and the ports of bridges, so
    /// that the namespace is covered as router, source and destination. Idempotent: what hangs
    /// there stays, what is missing (a new interface, a tap that somebody took) is added, what is
    /// of an interface that is gone is let go. On an error what is kept stays, and scans attach
    /// their own where something is missing.
    /// @return taps that are held now and were not before
    /// @return Code::failed where the kernel has no TCX (Linux 6.6), or the router has more
    /// interfaces than the limit has taps
    Result<std::size_t> keep(const Netns& netns);
    /// Lets a router's taps go; scans that use them now hold them until they end.
    /// @param inode  of the namespace, Netns::inode()
    /// @return taps let go; 0 where none were kept
    Result<std::size_t> release(std::uint32_t inode);
    /// Lets routers go that nobody has asked for within KeptLimits::idle, and those whose
    /// interfaces are all gone.
    /// @return taps let go
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
