// SPDX-License-Identifier: BSD-2-Clause
// What the firewall rules of a namespace say about a scan itself: rules that answer a packet by
// those before it, or by the mark that only probes have.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/service.hpp"

namespace ksms {

/// Destination ports; any by default.
struct PortSpan {
    std::uint16_t first{0}, last{65535};
    [[nodiscard]] bool meets(const PortSpan& other) const {
        return first <= other.last && other.first <= last;
    }
    auto operator<=>(const PortSpan&) const = default;
};

/// The services that a rule may match.
struct ServiceRange {
    std::uint8_t protocol{0};             ///< 0: any, or not known
    std::uint16_t first{0}, last{65535};  ///< destination ports, as protocol
    std::vector<PortSpan> only{};         ///< of those; empty: all
    [[nodiscard]] bool may_have(const Service& service) const {
        return (protocol == 0 || protocol == service.protocol) &&
               has_port_of({service.port, service.port});
    }
    [[nodiscard]] bool has_port_of(const PortSpan& ports) const {
        const auto meets = [&](const PortSpan& each) { return each.meets(ports); };
        return meets({first, last}) && (only.empty() || std::ranges::any_of(only, meets));
    }
    bool operator==(const ServiceRange&) const = default;
};

/// A rule that may give a packet another destination port.
struct PortTranslation {
    ServiceRange services;
    PortSpan to;
    bool operator==(const PortTranslation&) const = default;
};

/// A rule that passes, stops or marks a packet, or enters it into a set, as often as its rate
/// allows. Rules that only log do not count.
struct RateLimit {
    ServiceRange services;
    nanoseconds interval{0};  ///< until one more packet may pass
    bool by_source{false};    ///< it counts each source for itself
    bool guessed{false};      ///< the interval is not known
    bool either{false};       ///< what it does decides later: a mark, another DSCP, a jump, …
    std::string rule;         ///< for people: "inet t f handle 7"
    bool operator==(const RateLimit&) const = default;
};

/// A rule that enters packets into a list, or answers by what is in one: a port scan trap, port
/// knocking, every nth packet.
struct ListRule {
    ServiceRange services;
    std::string list;  ///< "": the rule's own
    bool adds{false}, removes{false};
    /// What it does with a packet that the list has.
    bool stops{false}, passes{false};
    std::string rule;
    bool operator==(const ListRule&) const = default;
};

struct FirewallRules {
    std::vector<RateLimit> limits;
    std::vector<ListRule> lists;
    std::vector<ServiceRange> dscp;  ///< of rules that look at the DSCP, or may
    /// Of nft's `synproxy`, which reads the checksum of an IPv6 packet as IPv4's
    /// (net/netfilter/nft_synproxy.c) unless a socket left it to the device.
    std::vector<ServiceRange> synproxy;
    std::vector<PortTranslation> translations;
};

/// The interval of a rule whose rate is not known (a named limit, bytes instead of packets).
inline constexpr std::chrono::milliseconds kUsualInterval{200};

/// A limit on concurrent connections needs no pause, only the removal of earlier connections.
inline constexpr nanoseconds kConnections{1};

}  // namespace ksms
