// SPDX-License-Identifier: BSD-2-Clause
// The rate limits in a namespace's firewall rules, read and not touched: iptables of both flavours
// and nftables.
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

/// A rule that lets a packet pass, or stops it, by how many came before; also one that marks it or
/// enters it into a set, for another rule to look at. Rules that only log are none.
struct RateLimit {
    nanoseconds interval{0};              ///< until one more packet may pass
    std::uint8_t protocol{0};             ///< 0: any, or the rule says it in another way
    std::uint16_t first{0}, last{65535};  ///< destination ports, as protocol
    [[nodiscard]] bool may_concern(const Service& service) const {
        return (protocol == 0 || protocol == service.protocol) && service.port >= first &&
               service.port <= last;
    }
};

/// Where a rule does not tell its rate (a named limit, bytes instead of packets).
inline constexpr std::chrono::milliseconds kUsualInterval{200};

/// A limit on connections at one moment asks for no pause, only that earlier ones are gone.
inline constexpr nanoseconds kConnections{1};

/// @param family  AF_INET or AF_INET6
Result<std::vector<RateLimit>> rate_limits(const Netns& netns, int family);

/// For the files of this room.
/// So long a rule asks to wait; a century at most, so that sums of them are times too.
nanoseconds interval_of(std::uint64_t ns);
Status add_nft_limits(const Netns& netns, int family, std::vector<RateLimit>& to);
Status add_legacy_limits(const Netns& netns, int family, std::vector<RateLimit>& to);
/// The interval of an xtables match; nothing where it limits no rate.
std::optional<nanoseconds> xtables_interval(std::string_view name, std::uint32_t revision,
                                            std::span<const std::uint8_t> info);
/// Does this xtables target only note something, and let the packet go on?
bool only_notes(std::string_view target);

}  // namespace ksms
