// SPDX-License-Identifier: BSD-2-Clause
// IPsec policies of a namespace.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.hpp"
#include "base/error.hpp"
#include "os/netns.hpp"

namespace ksms {

/// A policy for what leaves a namespace: the packets that it selects.
struct IpsecPolicy {
    Prefix source, destination;
    std::uint8_t protocol{0};  ///< 0: any
    bool ports{false};         ///< only some source or destination ports
    /// Does it tell one packet between these addresses from another?
    [[nodiscard]] bool tells_apart(const Address& from, const Address& to) const {
        return (protocol != 0 || ports) && source.contains(from) && destination.contains(to);
    }
};

/// Those with direction `out`. None where the kernel has no IPsec, or nobody has used it yet: the
/// question loads no module.
Result<std::vector<IpsecPolicy>> outgoing_policies(const Netns& netns);

}  // namespace ksms
