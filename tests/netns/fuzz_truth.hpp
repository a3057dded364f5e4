// SPDX-License-Identifier: BSD-2-Clause
// What the routers of a random network do with a packet, found out without ksms: one is sent for
// each service, and packet and raw sockets say where it went.
#pragma once

#include <string>
#include <vector>

#include "fuzz_network.hpp"
#include "lab/lab.hpp"

namespace ksms::fuzz {

/// As the options of `ksmsctl scan --mode` are called.
enum class Mode {
    path,  ///< sent once, from the source
    /// Sent once for each router, into its own ingress interface. What comes to a router from the
    /// one before it is the truth there.
    isolated,
};

/// A packet as it was seen.
struct Sight {
    bool there{false};
    int dscp{0};
    std::string source{}, destination{};
    int source_port{0}, port{0};
    bool operator==(const Sight&) const = default;
};

struct AtRouter {
    Sight in, out;
    bool accepted{false};  ///< delivered to the router itself
    bool unknown{false};   ///< a router before it has changed the packet, and it did not come here
};

struct Truth {
    std::vector<std::vector<AtRouter>> services;  ///< as Network::services; routers from 1
    std::vector<bool> reached;                    ///< dst got it (isolated: one of them)
};

/// @throw std::runtime_error  the network itself does not work
Truth observe(const lab::Lab& lab, const Network& network, int family, Mode mode,
              const Entry& entry);

}  // namespace ksms::fuzz
