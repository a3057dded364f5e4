// SPDX-License-Identifier: BSD-2-Clause
// Random firewalls: rules as values, then the text of whichever program they are for.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "lab/lab.hpp"

namespace ksms::fuzz {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    int below(int limit) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(limit)); }
    /// @param percent  how often it is true
    bool chance(int percent) { return below(100) < percent; }
    template <typename T>
    const T& any(const std::vector<T>& of) {
        return of[static_cast<std::size_t>(below(static_cast<int>(of.size())))];
    }

private:
    std::mt19937_64 engine_;
};

enum class Kind { none, iptables_nft, iptables_legacy, nftables };

/// An address of the lab, or a link's subnet.
struct Place {
    int link{0}, host{0};
    bool subnet{false};
};

struct Condition {
    enum class What {
        protocol,
        port,
        ports,
        source_port,
        source,
        destination,
        dscp,
        mark,
        state,
        ingress,
        egress,
        syn
    } what{What::protocol};
    std::string protocol{};  ///< "tcp" or "udp"; of port, ports and source_port too
    std::vector<int> numbers{};
    Place place{};
    std::string text{};  ///< state or interface
    bool negated{false};
};

struct Action {
    enum class What {
        nothing,
        accept,
        drop,
        reject,
        reset,
        give_back,
        jump,
        go,
        mark,
        dscp,
        hop_limit,
        dnat,
        redirect,
        snat,
        masquerade,
        notrack
    } what{What::nothing};
    int number{0};  ///< port, mark, DSCP, …; 0 for dnat and snat: the port stays
    bool has_place{false};
    Place place{};
    std::string chain{};
};

struct Rule {
    std::vector<Condition> conditions;
    Action action;
};

struct Chain {
    std::string table, hook;  ///< as iptables names them; table "netdev" with nftables alone
    std::string name;         ///< "" for the hook's own chain
    bool drops{false};        ///< its policy
    std::vector<Rule> rules;
};

struct Firewall {
    Kind kind{Kind::none};
    std::vector<Chain> chains;  ///< the hook's own first, then those that are jumped to from it
};

/// What a random rule may speak of.
struct Surroundings {
    int router, routers;     ///< counted from 1; link n is in front of router n
    std::vector<int> dscps;  ///< of the packets, and of others like them
    std::vector<int> ports;
};

/// On dst's link; the scan does not go to it, and its address is no neighbour's.
constexpr int kNobody = 6;
/// The packets that must pass everything: the test itself goes by them.
constexpr int kSentinelPort = 33434;
/// The address on dst's link that they go to.
constexpr int kSentinelHost = 4;
/// Of the outer packets of tunnels.
constexpr int kVxlanPort = 4789;

Firewall random_firewall(Random& random, const Surroundings& around);

/// Puts it into the node, both families.
void apply(const lab::Lab& lab, const std::string& node, const Firewall& firewall);

}  // namespace ksms::fuzz
