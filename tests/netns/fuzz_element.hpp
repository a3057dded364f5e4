// SPDX-License-Identifier: BSD-2-Clause
// What stands beside the firewalls of a random network: queues, copies, other devices, other ways
// to find the next hop.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "fuzz_firewall.hpp"
#include "lab/lab.hpp"

namespace ksms::fuzz {

enum class Element {
    shaper,         ///< tbf where packets leave
    mirror_in,      ///< a mirror port for what comes in
    mirror_out,     ///< … for what leaves
    tee,            ///< copies to a box beside
    packet_socket,  ///< that nobody reads
    macvlan,        ///< upon the interface where packets leave
    bridge,         ///< packets come in by its port
    bridge_nf,      ///< … and through the rules of IP on their way in
    proxy_arp,      ///< the next router answers for a gateway that nobody has
    queue,          ///< NFQUEUE that lets everything pass, since nobody reads it
    foreign_tc,     ///< a filter of somebody else's in front of ours
    trap,           ///< whoever asks for the last service is locked out
    tunnel,         ///< VXLAN to the next router
};
[[nodiscard]] const char* name_of(Element element);
[[nodiscard]] const std::vector<Element>& all_elements();

struct Network;

std::set<Element> some_elements(Random& random, int router, int routers);

/// Those that make or replace interfaces: before there are routes.
void put_devices(lab::Lab& lab, const Network& network, int router);
/// The others.
/// @return what must live as long as the network
std::vector<Fd> put_elements(lab::Lab& lab, const Network& network, int router);
/// Empties the lists of the traps.
void forget_sources(const lab::Lab& lab, const Network& network);
/// How the router leads on what is not for its own links: "default via …", and more. What all
/// firewalls let pass has a way of its own past a tunnel.
std::vector<std::string> ways_on(const lab::Lab& lab, const Network& network, int router,
                                 int family);
/// The address of the router before, as this one sees it.
std::string way_back(const lab::Lab& lab, const Network& network, int router, int family);

}  // namespace ksms::fuzz
