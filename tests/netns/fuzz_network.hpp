// SPDX-License-Identifier: BSD-2-Clause
// Random networks: src - r1 - … - rN - dst, with random firewalls, routes and bridges between.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "fuzz_element.hpp"
#include "fuzz_firewall.hpp"
#include "lab/lab.hpp"

namespace ksms::fuzz {

struct Service {
    std::string protocol;
    int port;
};

/// What the scan goes to.
enum class Goal {
    host,       ///< dst
    nobody,     ///< an address of dst's link that nobody has
    far_side,   ///< the last router itself
    near_side,  ///< the same, by its address on this side
};

/// Why a router has no way to the goal.
struct Trap {
    std::string kind{};      ///< "blackhole", "unreachable", "prohibit"; "" for none
    std::string selector{};  ///< of the rule that says so; "" for a route, which is for all packets
    /// A plan that asks for the way knows of it: only a firewall's mark is not known before.
    [[nodiscard]] bool is_planned() const {
        return !kind.empty() && !selector.starts_with("fwmark");
    }
};

struct Network {
    std::uint64_t seed{0};
    int routers{0};
    std::vector<bool> bridged;  ///< by link: joined by a bridge in a namespace of its own
    std::vector<Firewall> firewalls;
    std::vector<Trap> traps;
    std::vector<std::set<Element>> elements;  ///< by router
    int second{0};  ///< the router that another namespace with the source's address is at; 0: none
    std::vector<bool> strict;  ///< rp_filter
    Goal goal{Goal::host};
    bool echoes{false};  ///< dst sends every datagram back
    int dscp{0};         ///< of the scan
    int as_dscp{0};      ///< of the packets whose fate it tells
    std::vector<Service> services;
};

Network random_network(std::uint64_t seed);

/// Where packets come from: a namespace, and the first router behind it.
struct Entry {
    std::string node;
    int router;
};
[[nodiscard]] std::vector<Entry> entries_of(const Network& network);

/// @return what must live as long as the network
std::vector<Fd> build(lab::Lab& lab, const Network& network);

inline std::string router(int number) {
    return "r" + std::to_string(number);
}
/// The namespace of a bridged link's bridge, br0.
inline std::string segment(int link) {
    return "s" + std::to_string(link);
}
/// May the rule of a trap see this service, under its port or another that a router gives it, or
/// under that of a tunnel?
[[nodiscard]] bool may_set_off_traps(const Network& network, std::size_t service);
std::string source(const lab::Lab& lab, int family);
std::string destination(const lab::Lab& lab, const Network& network, int family);
/// "22/tcp,53/udp,…"
std::string ports(const Network& network);

}  // namespace ksms::fuzz
