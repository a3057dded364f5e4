// SPDX-License-Identifier: BSD-2-Clause
#include "fuzz_element.hpp"

#include <fmt/format.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <iterator>

#include "fuzz_network.hpp"
#include "lab/process.hpp"

namespace ksms::fuzz {
namespace {

struct Known {
    Element element;
    const char* name;
    int percent;
};
constexpr Known kKnown[] = {
    {Element::shaper, "shaper", 8},
    {Element::mirror_in, "mirror where packets come in", 7},
    {Element::mirror_out, "mirror where packets leave", 7},
    {Element::tee, "TEE", 6},
    {Element::packet_socket, "idle packet socket", 8},
    {Element::macvlan, "macvlan", 7},
    {Element::bridge, "bridge", 10},
    {Element::bridge_nf, "bridge with bridge-nf", 0},  // every second bridge
    {Element::proxy_arp, "proxy ARP", 10},
    {Element::queue, "queue", 6},
    {Element::foreign_tc, "foreign TC filter", 8},
    {Element::trap, "port scan trap", 4},
    {Element::tunnel, "tunnel", 8},
};

constexpr int kTunnels = 24;  ///< link 24 + n: the tunnel behind router n

bool has(const Network& network, int router, Element element) {
    return network.elements[static_cast<std::size_t>(router)].contains(element);
}

/// Gives the interface of a router another name, and its addresses to a new one of its name.
void replace(lab::Lab& lab, const std::string& node, const std::string& interface,
             const std::string& old, const std::string& made, int link, int host) {
    lab.ip(node,
           {fmt::format("addr flush dev {}", interface), fmt::format("link set {} down", interface),
            fmt::format("link set {} name {}", interface, old), fmt::format("link set {} up", old),
            made, fmt::format("addr add {}/29 dev {}", lab.address(4, link, host), interface),
            fmt::format("link set {} up", interface)});
    lab.ip6(node,
            {fmt::format("addr add {}/64 dev {} nodad", lab.address(6, link, host), interface)});
}

/// A box beside the router, which takes what it gets.
std::string put_beside(lab::Lab& lab, const std::string& node, const std::string& what,
                       const std::string& interface, int link) {
    const auto box = node + what;
    lab.host(box);
    lab.link({node, interface, 1}, {box, "eth0", 2}, link);
    return box;
}

void add_clsact(const lab::Lab& lab, const std::string& node, const std::string& interface) {
    lab.in(node,
           {"sh", "-c",
            fmt::format("tc qdisc show dev {0} | grep -q clsact || tc qdisc add dev {0} clsact",
                        interface)});
}

void mirror(lab::Lab& lab, const std::string& node, const std::string& interface,
            const std::string& direction, const std::string& to) {
    add_clsact(lab, node, interface);
    lab.in(node, {"tc", "filter",   "add",    "dev",    interface, direction, "pref",
                  "7",  "protocol", "all",    "u32",    "match",   "u32",     "0",
                  "0",  "action",   "mirred", "egress", "mirror",  "dev",     to});
}

/// Nobody reads it, and after a packet or two it is full.
Fd idle_socket(const std::string& netns) {
    Fd fd;
    lab::inside(netns, [&] {
        fd = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        const int bytes = 2048;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    });
    return fd;
}

/// The outer packets are of either family. The ends know each other: a firewall that stops the
/// outer packets would stop who asks for neighbours too.
void put_tunnel(lab::Lab& lab, const Network& network, int number) {
    const int outer = network.seed % 2 == 0 ? 4 : 6, link = kTunnels + number;
    const auto mac = [&](int host) { return fmt::format("02:00:00:01:{:02x}:{:02x}", link, host); };
    for (const int host : {1, 2}) {
        const int other = 3 - host;
        const auto node = router(number + host - 1), name = fmt::format("tun{}", 2 - host);
        const auto neighbour = [&](int family) {
            return fmt::format("neigh add {} lladdr {} nud permanent dev {}",
                               lab.address(family, link, other), mac(other), name);
        };
        lab.ip(node, {fmt::format("link add {} address {} type vxlan id {} dstport {} local {} "
                                  "remote {}",
                                  name, mac(host), number, kVxlanPort,
                                  lab.address(outer, number + 1, host),
                                  lab.address(outer, number + 1, other)),
                      fmt::format("addr add {}/29 dev {}", lab.address(4, link, host), name),
                      fmt::format("link set {} up", name), neighbour(4)});
        lab.ip6(node, {fmt::format("addr add {}/64 dev {} nodad", lab.address(6, link, host), name),
                       neighbour(6)});
    }
}

void put_trap(const lab::Lab& lab, const std::string& node, const Service& service) {
    for (const int family : {4, 6})
        lab.nft(node, fmt::format(R"(table {0} trap {{
            set bad {{
                type ipv{1}_addr
                flags dynamic
            }}
            chain f {{
                type filter hook forward priority 300
                udp dport {4} accept
                {0} saddr @bad drop
                {2} dport {3} add @bad {{ {0} saddr }}
            }}
        }})",
                                  family == 4 ? "ip" : "ip6", family, service.protocol,
                                  service.port, kSentinelPort));
}

}  // namespace

const char* name_of(Element element) {
    return kKnown[static_cast<std::size_t>(element)].name;
}

const std::vector<Element>& all_elements() {
    static const auto all = [] {
        std::vector<Element> elements;
        for (const auto& known : kKnown) elements.push_back(known.element);
        return elements;
    }();
    return all;
}

std::set<Element> some_elements(Random& random, int router, int routers) {
    std::set<Element> elements;
    for (const auto& known : kKnown)
        if (random.chance(known.percent)) elements.insert(known.element);
    if (elements.contains(Element::bridge) && random.chance(50))
        elements.insert(Element::bridge_nf);
    if (router == routers) elements.erase(Element::tunnel);
    // The next one must forward, and have a way of its own to the gateway that it answers for.
    if (router + 1 >= routers || elements.contains(Element::tunnel))
        elements.erase(Element::proxy_arp);
    return elements;
}

void put_devices(lab::Lab& lab, const Network& network, int number) {
    const auto node = router(number);
    if (has(network, number, Element::tunnel)) put_tunnel(lab, network, number);
    if (has(network, number, Element::macvlan))
        replace(lab, node, "eth1", "low1", "link add eth1 link low1 type macvlan mode bridge",
                number + 1, 1);
    if (!has(network, number, Element::bridge)) return;
    replace(lab, node, "eth0", "port0", "link add eth0 type bridge mcast_snooping 0", number, 2);
    lab.ip(node, {"link set port0 master eth0"});
    // It is on in every namespace as soon as the module is there.
    const int on = has(network, number, Element::bridge_nf) ? 1 : 0;
    for (const char* table : {"ip", "ip6"})
        lab.in(node, {"sh", "-c",
                      fmt::format("cd /proc/sys/net/bridge && echo {} >bridge-nf-call-{}tables || "
                                  "[ {} = 0 ]",
                                  on, table, on)});
}

std::vector<std::string> ways_on(const lab::Lab& lab, const Network& network, int number,
                                 int family) {
    if (family == 4 && has(network, number, Element::proxy_arp))
        return {"default via 169.254.1.1 dev eth1 onlink"};
    const auto next = lab.address(family, number + 1, 2);
    if (!has(network, number, Element::tunnel)) return {"default via " + next};
    return {"default via " + lab.address(family, kTunnels + number, 2),
            lab.address(family, network.routers + 1, kSentinelHost) + " via " + next};
}

std::string way_back(const lab::Lab& lab, const Network& network, int number, int family) {
    return lab.address(
        family, has(network, number - 1, Element::tunnel) ? kTunnels + number - 1 : number, 1);
}

void forget_sources(const lab::Lab& lab, const Network& network) {
    for (int number = 1; number <= network.routers; ++number)
        if (has(network, number, Element::trap))
            lab.in(router(number), {"nft", "flush set ip trap bad; flush set ip6 trap bad"});
}

std::vector<Fd> put_elements(lab::Lab& lab, const Network& network, int number) {
    const auto node = router(number);
    std::vector<Fd> held;
    if (number > 1 && has(network, number - 1, Element::proxy_arp)) {
        lab.sysctl(node, "ipv4/conf/eth0/proxy_arp", "1");
        lab.sysctl(node, "ipv4/neigh/eth0/proxy_delay", "0");
    }
    if (has(network, number, Element::mirror_in) || has(network, number, Element::mirror_out))
        put_beside(lab, node, "m", "side0", 8 + number);
    if (has(network, number, Element::mirror_in)) mirror(lab, node, "eth0", "ingress", "side0");
    if (has(network, number, Element::mirror_out)) mirror(lab, node, "eth1", "egress", "side0");
    if (has(network, number, Element::tee)) {
        put_beside(lab, node, "t", "side1", 16 + number);
        for (const int family : {4, 6})
            lab.rules(node, lab::Firewall::iptables_legacy,
                      fmt::format("*mangle\n-A PREROUTING -i eth0 -j TEE --gateway {}\nCOMMIT\n",
                                  lab.address(family, 16 + number, 2)),
                      family);
    }
    if (has(network, number, Element::queue))
        lab.rules(node, lab::Firewall::iptables_legacy,
                  "*security\n-A FORWARD -j NFQUEUE --queue-num 7 --queue-bypass\nCOMMIT\n");
    if (has(network, number, Element::shaper))
        lab.in(node, {"tc", "qdisc", "add", "dev", "eth1", "root", "tbf", "rate", "512kbit",
                      "burst", "1600", "limit", "4000"});
    if (has(network, number, Element::foreign_tc)) {
        add_clsact(lab, node, "eth0");
        lab.in(node, {"tc", "filter", "add", "dev", "eth0", "ingress", "pref", "3", "protocol",
                      "all", "u32", "match", "u32", "0", "0", "flowid", "1:1"});
    }
    if (has(network, number, Element::trap)) put_trap(lab, node, network.services.back());
    if (has(network, number, Element::packet_socket)) held.push_back(idle_socket(lab.netns(node)));
    return held;
}

}  // namespace ksms::fuzz
