// SPDX-License-Identifier: BSD-2-Clause
// The standard lab: src - r1 (iptables-nft) - r2 (iptables-legacy) - r3 (nftables) - dst.
#pragma once

#include <string>
#include <vector>

#include "lab/lab.hpp"

namespace ksms::lab {

/// The routers of a chain of three.
inline const std::vector<std::string> kRouters{"r1", "r2", "r3"};

/// What the firewalls of the chain do with a service, in IPv4 and IPv6.
struct ChainService {
    const char* protocol;
    int port;
    int passes;       ///< how many of the three routers forward it
    const char* how;  ///< what stops it
};

/// Every kind of stop, each at each kind of firewall.
const std::vector<ChainService>& chain_services();
/// "22/tcp,53/udp,…": all of them, in order.
std::string chain_ports();

struct ChainOptions {
    bool destination{true};  ///< false: nobody owns the destination's address
    bool firewalls{true};    ///< false: three routers that forward everything
};

/// Link n joins the nth and the next node; host 1 is the near end (eth1), 2 the far one (eth0).
/// The source is (1, 1), the destination (4, 2).
void build_chain(Lab& lab, const ChainOptions& options = {});

inline std::string chain_source(const Lab& lab, int family) {
    return lab.address(family, 1, 1);
}
inline std::string chain_destination(const Lab& lab, int family) {
    return lab.address(family, 4, 2);
}

/// Sends every service once, without ksms, and counts the routers behind which it arrived.
/// @return the number of routers that passed it, in the order of `services`
std::vector<int> observe_chain(const Lab& lab, int family,
                               const std::vector<ChainService>& services);

}  // namespace ksms::lab
