// SPDX-License-Identifier: BSD-2-Clause
// IPsec policies of a namespace.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.hpp"
#include "base/error.hpp"
#include "os/netns.hpp"

namespace ksms {

/// Ports of a selector: those that equal `value` where the mask has ones.
struct IpsecPorts {
    std::uint16_t value{0}, mask{0};  ///< mask 0: any
    [[nodiscard]] bool contains(std::uint16_t port) const { return ((port ^ value) & mask) == 0; }
};

/// What a policy is looked up for.
struct IpsecFlow {
    Address source, destination;
    std::uint8_t protocol{0};
    std::uint16_t source_port{0}, destination_port{0};
};

/// A policy for what leaves a namespace.
struct IpsecPolicy {
    Prefix source, destination;
    std::uint8_t protocol{0};  ///< 0: any
    IpsecPorts source_ports, destination_ports;
    std::uint32_t priority{0};  ///< the lowest of those that select a packet decides
    bool blocks{false};
    bool depends{false};  ///< also on a mark, or the interface
    /// May it select a packet between these addresses?
    [[nodiscard]] bool concerns(const Address& from, const Address& to) const {
        return source.contains(from) && destination.contains(to);
    }
    /// Does it tell one packet between these addresses from another?
    [[nodiscard]] bool tells_apart(const Address& from, const Address& to) const;
    [[nodiscard]] bool selects(const IpsecFlow& flow) const;
};

/// False also where that cannot be told: several of one priority, or one that depends on more.
[[nodiscard]] bool is_blocked(const std::vector<IpsecPolicy>& policies, const IpsecFlow& flow);

/// Those with direction `out`. None where the kernel has no IPsec, or nobody has used it yet: the
/// question loads no module.
Result<std::vector<IpsecPolicy>> outgoing_policies(const Netns& netns);
/// Has it a policy of any direction?
Result<bool> has_policies(const Netns& netns);

}  // namespace ksms
