// SPDX-License-Identifier: BSD-2-Clause
// Reads the rate limits in the firewall rules of a namespace: nftables, iptables-nft,
// iptables-legacy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/service.hpp"
#include "os/netns.hpp"

namespace ksms {

/// A rule that passes, stops or marks a packet, or enters it into a set, depending on earlier
/// packets. Rules that only log do not count.
struct RateLimit {
    nanoseconds interval{0};              ///< until one more packet may pass
    std::uint8_t protocol{0};             ///< 0: any, or not known
    std::uint16_t first{0}, last{65535};  ///< destination ports, as protocol
    [[nodiscard]] bool may_concern(const Service& service) const {
        return (protocol == 0 || protocol == service.protocol) && service.port >= first &&
               service.port <= last;
    }
};

/// For a rule whose rate is not known (a named limit, bytes instead of packets).
inline constexpr std::chrono::milliseconds kUsualInterval{200};

/// A limit on concurrent connections needs no pause, only the removal of earlier connections.
inline constexpr nanoseconds kConnections{1};

/// @param family  AF_INET or AF_INET6
Result<std::vector<RateLimit>> rate_limits(const Netns& netns, int family);

/// For the files of this room.
/// Interval of a rule, limited to a century so that sums do not overflow.
nanoseconds interval_of(std::uint64_t ns);
Status add_nft_limits(const Netns& netns, int family, std::vector<RateLimit>& to);
Status add_legacy_limits(const Netns& netns, int family, std::vector<RateLimit>& to);
/// The interval of an xtables match; nothing if it is no rate limit.
std::optional<nanoseconds> xtables_interval(std::string_view name, std::uint32_t revision,
                                            std::span<const std::uint8_t> info);
/// Whether this xtables target only logs or marks and lets the packet continue.
bool only_notes(std::string_view target);

}  // namespace ksms
