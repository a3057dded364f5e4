// SPDX-License-Identifier: BSD-2-Clause
#include "fuzz_network.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ksms::fuzz {
namespace {

const std::vector<int>& known_ports() {
    static const std::vector<int> all{22,   23,   25,   53,   69,   80,   110,  123,
                                      135,  143,  161,  443,  445,  514,  993,  1900,
                                      3306, 3389, 5060, 8000, 8001, 8080, 8081, 8443};
    return all;
}

std::vector<Service> some_services(Random& random) {
    std::vector<Service> result;
    const int count = 6 + random.below(9);
    while (static_cast<int>(result.size()) < count) {
        Service one{random.chance(50) ? "tcp" : "udp", random.any(known_ports())};
        const bool there = std::ranges::any_of(result, [&](const Service& other) {
            return other.protocol == one.protocol && other.port == one.port;
        });
        if (!there) result.push_back(one);
    }
    return result;
}

Trap some_trap(Random& random, const std::vector<Service>& services) {
    static const std::vector<std::string> kinds{"blackhole", "unreachable", "prohibit"};
    static const std::vector<int> tos{0x04, 0x08, 0x10, 0x14, 0x18};  // three bits, in IPv4
    const int which = random.below(100);
    if (which >= 20) return {};
    Trap trap{random.any(kinds), ""};
    const Service& service = random.any(services);
    if (which < 8)
        trap.selector = fmt::format("fwmark {}/7", 1 + random.below(7));
    else if (which < 13)
        trap.selector = fmt::format("ipproto {} dport {}", service.protocol, service.port);
    else if (which < 16)
        trap.selector = fmt::format("tos {:#x}", random.any(tos));
    return trap;
}

std::string node_before(int link) {
    return link == 1 ? "src" : router(link - 1);
}
std::string node_behind(int link, const Network& network) {
    return link == network.routers + 1 ? "dst" : router(link);
}

void join(lab::Lab& lab, const Network& network, int link) {
    const lab::End near{node_before(link), "eth1", 1}, far{node_behind(link, network), "eth0", 2};
    if (!network.bridged[static_cast<std::size_t>(link)]) {
        lab.link(near, far, link);
        return;
    }
    lab.host(segment(link));
    lab.ip(segment(link), {"link add br0 type bridge", "link set br0 up"});
    lab.plug(near, segment(link), "br0", link);
    lab.plug(far, segment(link), "br0", link);
}

std::vector<std::string> traps_of(const lab::Lab& lab, const Network& network, int number,
                                  int family) {
    const Trap& trap = network.traps[static_cast<std::size_t>(number)];
    if (trap.kind.empty()) return {};
    if (!trap.selector.empty()) return {fmt::format("rule add {} {}", trap.selector, trap.kind)};
    return {fmt::format("route add {} {}/{}", trap.kind, destination(lab, network, family),
                        family == 4 ? 32 : 128)};
}

void add_routes(const lab::Lab& lab, const Network& network, int number) {
    for (const int family : {4, 6}) {
        std::vector<std::string> lines;
        if (number < network.routers)
            for (const auto& way : ways_on(lab, network, number, family))
                lines.push_back("route add " + way);
        if (number > 1)
            lines.push_back(fmt::format("route add {} via {}", lab.subnet(family, 1),
                                        way_back(lab, network, number, family)));
        const auto more = traps_of(lab, network, number, family);
        lines.insert(lines.end(), more.begin(), more.end());
        if (lines.empty()) continue;
        family == 4 ? lab.ip(router(number), lines) : lab.ip6(router(number), lines);
    }
}

/// From the source, on two interfaces, of which a strict rp_filter would refuse one.
bool comes_in_twice(const Network& network, int number) {
    return number == network.second ||
           network.elements[static_cast<std::size_t>(number - 1)].contains(Element::tunnel);
}

void add_second_source(lab::Lab& lab, const Network& network) {
    if (network.second == 0) return;
    constexpr int link = 30;
    lab.host("src2");
    lab.link({"src2", "eth1", 1}, {router(network.second), "eth2", 2}, link);
    lab.ip("src2", {fmt::format("addr add {}/32 dev eth1", source(lab, 4)),
                    fmt::format("addr add {}/128 dev eth1 nodad", source(lab, 6))});
    lab.default_route("src2", link, 2);
}

}  // namespace

Network random_network(std::uint64_t seed) {
    Random random(seed);
    Network network;
    network.seed = seed;
    network.routers = 2 + random.below(5);
    network.dscp = 32 + random.below(32);
    network.as_dscp = random.chance(30) ? network.dscp : random.chance(70) ? 0 : random.below(64);
    network.services = some_services(random);
    const int goal = random.below(100);
    network.goal = goal < 65   ? Goal::host
                   : goal < 75 ? Goal::nobody
                   : goal < 90 ? Goal::far_side
                               : Goal::near_side;
    network.echoes = random.chance(25);
    Surroundings around{0, network.routers, {network.dscp, network.as_dscp}, {}};
    for (const Service& one : network.services) around.ports.push_back(one.port);
    around.ports.push_back(kVxlanPort);
    network.firewalls.resize(1);  // counted from 1
    network.traps.resize(1);
    network.strict.resize(1);
    network.elements.resize(1);
    for (int number = 1; number <= network.routers; ++number) {
        around.router = number;
        network.firewalls.push_back(random_firewall(random, around));
        network.traps.push_back(some_trap(random, network.services));
        network.strict.push_back(random.chance(12));
        network.elements.push_back(some_elements(random, number, network.routers));
    }
    for (int link = 0; link <= network.routers + 1; ++link)
        network.bridged.push_back(random.chance(15));
    if (random.chance(15)) network.second = 1 + random.below(network.routers);
    for (int number = 1; number <= network.routers; ++number)
        if (comes_in_twice(network, number))
            network.strict[static_cast<std::size_t>(number)] = false;
    return network;
}

std::vector<Entry> entries_of(const Network& network) {
    std::vector<Entry> entries{{"src", 1}};
    if (network.second != 0) entries.push_back({"src2", network.second});
    return entries;
}

bool may_set_off_traps(const Network& network, std::size_t service) {
    using Do = Action::What;
    const auto gives_port = [](const Rule& rule) {
        const auto& action = rule.action;
        return action.number != 0 && (action.what == Do::dnat || action.what == Do::redirect);
    };
    const auto translates = [&](const Firewall& firewall) {
        return std::ranges::any_of(firewall.chains, [&](const Chain& chain) {
            return std::ranges::any_of(chain.rules, gives_port);
        });
    };
    const auto is_trap = [](const auto& beside) { return beside.contains(Element::trap); };
    if (std::ranges::none_of(network.elements, is_trap)) return false;
    return service + 1 == network.services.size() ||
           std::ranges::any_of(network.firewalls, translates) ||
           std::ranges::any_of(network.elements,
                               [](const auto& beside) { return beside.contains(Element::tunnel); });
}

std::string source(const lab::Lab& lab, int family) {
    return lab.address(family, 1, 1);
}

std::string destination(const lab::Lab& lab, const Network& network, int family) {
    const int last = network.routers + 1;
    switch (network.goal) {
        case Goal::host: return lab.address(family, last, 2);
        case Goal::nobody: return lab.address(family, last, 5);
        case Goal::far_side: return lab.address(family, last, 1);
        case Goal::near_side: return lab.address(family, last - 1, 2);
    }
    return {};
}

std::string ports(const Network& network) {
    std::string text;
    for (const Service& one : network.services)
        text += fmt::format("{}{}/{}", text.empty() ? "" : ",", one.port, one.protocol);
    return text;
}

std::vector<Fd> build(lab::Lab& lab, const Network& network) {
    std::vector<Fd> held;
    const int last = network.routers + 1;
    lab.host("src");
    for (int number = 1; number < last; ++number) lab.router(router(number));
    lab.host("dst");
    for (int link = 1; link <= last; ++link) join(lab, network, link);
    add_second_source(lab, network);
    for (int number = 1; number < last; ++number) put_devices(lab, network, number);
    // A second address, that a firewall may translate to, and one that every firewall lets through.
    for (const int host : {3, kSentinelHost})
        lab.ip("dst", {fmt::format("addr add {}/29 dev eth0", lab.address(4, last, host)),
                       fmt::format("addr add {}/64 dev eth0 nodad", lab.address(6, last, host))});
    lab.default_route("src", 1, 2);
    lab.default_route("dst", last, 1);
    for (int number = 1; number < last; ++number) {
        add_routes(lab, network, number);
        if (network.strict[static_cast<std::size_t>(number)])
            lab.sysctl(router(number), "ipv4/conf/all/rp_filter", "1");
        apply(lab, router(number), network.firewalls[static_cast<std::size_t>(number)]);
        for (auto& fd : put_elements(lab, network, number)) held.push_back(std::move(fd));
    }
    return held;
}

}  // namespace ksms::fuzz
