// SPDX-License-Identifier: BSD-2-Clause
// What is not the packet itself: mirrors, copies for somebody who listens, copies that come back,
// answers that carry a question.
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/process.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::lab;
using ksms::Fd;

/// All that passes an interface of r2 in this direction is copied, or sent on ("redirect"), to
/// another one.
void mirror_at_r2(const Lab& lab, const std::string& interface, const std::string& direction,
                  const std::string& how, const std::string& to) {
    lab.in("r2", {"tc", "qdisc", "add", "dev", interface, "clsact"});
    // Behind our filters, which are no affair of this case.
    lab.in("r2", {"tc",  "filter", "add",    "dev",    interface, direction, "protocol",
                  "all", "prio",   "100",    "u32",    "match",   "u32",     "0",
                  "0",   "action", "mirred", "egress", how,       "dev",     to});
}

/// A host that gets what r2 mirrors to eth2.
void add_spy(Lab& lab) {
    lab.host("spy");
    lab.link({"r2", "eth2", 1}, {"spy", "eth0", 2}, 4);
    lab.ip("spy", {"link set eth0 promisc on"});
}

/// A packet socket on an interface of r2 that nobody reads, and that is full.
Fd idle_socket(const Lab& lab, const std::string& interface, const std::string& destination) {
    Fd idle;
    inside(lab.netns("r2"), [&] {
        idle = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        const int least = 1;
        ::setsockopt(idle.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
        sockaddr_ll at{};
        at.sll_family = AF_PACKET;
        at.sll_protocol = htons(ETH_P_ALL);
        at.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
        if (::bind(idle.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
            throw std::runtime_error("bind");
    });
    for (const int port : {33434, 33435})
        send_plain({.netns = lab.netns("src"),
                    .destination = destination,
                    .protocol = "udp",
                    .port = port,
                    .count = 20});
    return idle;
}

/// Sends every datagram back.
Background echo(const Fd& socket) {
    return Background([fd = socket.get()](int stop) {
        std::array<char, 2048> buffer{};
        std::array<pollfd, 2> both{pollfd{fd, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
        while (::poll(both.data(), both.size(), -1) > 0 && both[1].revents == 0) {
            sockaddr_storage from{};
            socklen_t size = sizeof from;
            const auto got = ::recvfrom(fd, buffer.data(), buffer.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
            if (got > 0)
                ::sendto(fd, buffer.data(), static_cast<std::size_t>(got), 0,
                         reinterpret_cast<const sockaddr*>(&from), size);
        }
    });
}

void check_all_pass(const Lab& lab, int family, const std::vector<Asked>& ways) {
    for (const auto& asked : ways) {
        const auto result =
            scan(lab, two_source(lab, family), two_destination(lab, family), "22,53/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "udp", 53) == "YES");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("udp", 53) == "YES");
    }
}

bool all_arrive(const Lab& lab, int family) {
    return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"udp", 53}}) ==
           std::vector<bool>{true, true};
}

/// r2 copies what comes in by eth0 to a box, which sends it back by the same link.
void tee_at_r2(Lab& lab, int family, const std::string& match) {
    build_two(lab);
    lab.router("box");
    lab.link({"r2", "eth2", 1}, {"box", "eth0", 2}, 4);
    lab.default_route("box", 4, 1);
    lab.sysctl("box", "ipv4/conf/all/send_redirects", "0");
    lab.sysctl("box", "ipv4/conf/eth0/send_redirects", "0");
    lab.rules("r2", Firewall::iptables_legacy,
              fmt::format("*mangle\n-A PREROUTING {} -j TEE --gateway {}\nCOMMIT\n", match,
                          lab.address(family, 4, 2)),
              family);
}

}  // namespace

TEST_CASE("truth: a mirror port beside a gateway that nobody has is no way out") {
    const int family = GENERATE(4, 6);
    Lab lab;
    const auto target = lab.address(family, 7, 2);
    build_two(lab);
    add_spy(lab);
    lab.route("r1", 7, 2, 2);
    lab.route("r2", 7, 3, 5);  // nobody is (3, 5)
    mirror_at_r2(lab, "eth0", "ingress", "mirror", "eth2");
    given("what is mirrored is all that leaves r2", [&] {
        Capture beyond(lab.netns("dst"), "eth0");
        send_plain(
            {.netns = lab.netns("src"), .destination = target, .protocol = "tcp", .port = 22});
        return eventually([&] {
                   return lab.in("r2", {"ip", family == 4 ? "-4" : "-6", "neigh", "show", "to",
                                        lab.address(family, 3, 5)})
                              .find("FAILED") != std::string::npos;
               }) &&
               !beyond.saw("tcp", 22);
    });
    for (const auto& asked : by_every_tap()) {
        const auto result = scan(lab, two_source(lab, family), target, "22,53/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) != "YES");
        CHECK(result.result("tcp", 22) != "YES");
        CHECK(result.result("udp", 53) != "YES");
    }
}

TEST_CASE("truth: a mirror port beside a firewall that drops is no way out") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("the firewall drops", [&] {
        build_two(lab);
        add_spy(lab);
        mirror_at_r2(lab, "eth0", "ingress", "mirror", "eth2");
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
               std::vector<bool>{false, true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result =
            scan(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.result("tcp", 22) == "NO");
        CHECK(result.result("tcp", 23) == "YES");
    }
}

TEST_CASE("truth: an ifb in front of a rate limit, and what passes alone is no NO") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("a packet that comes alone passes", [&] {
        build_two(lab);
        lab.ip("r2", {"link add ifb0 type ifb", "link set ifb0 up"});
        mirror_at_r2(lab, "eth0", "ingress", "redirect", "ifb0");
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp -m limit --limit 10/s --limit-burst 1 -j ACCEPT\n"
                  "-A FORWARD -p tcp -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 22}}) == std::vector<bool>{true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result =
            scan(lab, two_source(lab, family), two_destination(lab, family), "8001-8005", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.count("no") == 0);
    }
}

TEST_CASE("truth: a packet socket that nobody reads drops its copy and stops nothing") {
    const std::string interface = GENERATE("eth0", "eth1");
    for (const int family : {4, 6}) {
        Lab lab;
        Fd idle;
        given("everything arrives", [&] {
            build_two(lab);
            idle = idle_socket(lab, interface, two_destination(lab, family));
            return all_arrive(lab, family);
        });
        check_all_pass(lab, family, in_every_way());
    }
}

TEST_CASE("truth: a mirror that is full drops its copy and stops nothing") {
    const std::string from = GENERATE("eth0 ingress", "eth1 egress");
    for (const int family : {4, 6}) {
        Lab lab;
        given("everything arrives", [&] {
            build_two(lab);
            add_spy(lab);
            lab.in("r2", {"tc", "qdisc", "add", "dev", "eth2", "root", "blackhole"});
            mirror_at_r2(lab, from.substr(0, 4), from.substr(5), "mirror", "eth2");
            return all_arrive(lab, family);
        });
        INFO(from);
        check_all_pass(lab, family, in_every_way());
    }
}

TEST_CASE("truth: a bridge that floods drops a copy at one port and stops nothing") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("everything arrives, by a bridge that knows no addresses", [&] {
        build_two(lab);
        lab.host("other");
        lab.ip("r2",
               {"link add br0 type bridge ageing_time 0 mcast_snooping 0", "link set br0 up"});
        lab.ip("r2", {"link set eth1 master br0", "addr flush dev eth1",
                      fmt::format("addr add {}/29 dev br0", lab.address(4, 3, 1))});
        lab.ip6("r2", {fmt::format("addr add {}/64 dev br0 nodad", lab.address(6, 3, 1))});
        lab.plug({"other", "eth0", 3}, "r2", "br0", 3);
        lab.in("r2", {"tc", "qdisc", "add", "dev", "p3_3", "root", "blackhole"});
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, in_every_way());
}

TEST_CASE("truth: TEE to a box that sends each copy back once") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("everything arrives", [&] {
        tee_at_r2(lab, family, "-i eth0");
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, in_every_way());
}

TEST_CASE("truth: TEE to a box, again and again until the copies' time is over") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("everything arrives", [&] {
        tee_at_r2(lab, family, "! -s " + lab.subnet(family, 4));
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, in_every_way());
}

TEST_CASE("truth: an echo that a firewall drops on its way back is no drop of the probe") {
    const int family = GENERATE(4, 6);
    Lab lab;
    build_two(lab);
    const auto target = two_destination(lab, family);
    const auto socket = listen_in(lab.netns("dst"), target, "udp", 7);
    const auto echoing = echo(socket);
    given("the datagram arrives, and the echo does not", [&] {
        const auto at_source = listen_in(lab.netns("src"), two_source(lab, family), "udp", 5007);
        const auto answered = [&](int port) {
            send_plain({.netns = lab.netns("src"),
                        .source = two_source(lab, family),
                        .destination = target,
                        .protocol = "udp",
                        .port = port,
                        .source_port = 5007});
            return readable(at_source.get(), milliseconds{200});
        };
        const bool before = eventually([&] { return answered(7); });
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p udp --sport 7 -j DROP\nCOMMIT\n");
        std::array<char, 64> buffer{};
        while (::recv(at_source.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
        }
        return before && !answered(7) &&
               observe(lab, target, {{"udp", 7}}) == std::vector<bool>{true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result = scan(lab, two_source(lab, family), target, "7/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        for (const char* router : {"r1", "r2"}) CHECK(result.verdict(router, "udp", 7) == "YES");
        CHECK(result.result("udp", 7) == "YES");
    }
}

TEST_CASE("truth: a copy that TEE sent to a router behind is not the packet that was dropped") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("22/tcp stops at r1, its copy at r2", [&] {
        build_two(lab);
        lab.link({"r1", "eth2", 1}, {"r2", "eth2", 2}, 4);
        lab.rules("r1", Firewall::iptables_legacy,
                  fmt::format("*mangle\n-A PREROUTING -i eth0 -j TEE --gateway {}\nCOMMIT\n",
                              lab.address(family, 4, 2)),
                  family);
        lab.rules("r1", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 22 -j DROP\nCOMMIT\n");
        lab.rules("r2", Firewall::iptables_legacy, "*filter\n-A FORWARD -i eth2 -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 22}, {"tcp", 23}}) ==
               std::vector<bool>{false, true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result =
            scan(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "NO");
        CHECK(result.result("tcp", 22) == "NO");
        for (const char* router : {"r1", "r2"}) CHECK(result.verdict(router, "tcp", 23) == "YES");
        CHECK(result.result("tcp", 23) == "YES");
    }
}

TEST_CASE("truth: a way that passes one router twice, with a firewall in between") {
    const int family = GENERATE(4, 6);
    Lab lab;
    given("23/tcp stops at the firewall, 24/tcp behind it", [&] {
        lab.host("src");
        lab.router("r1");
        lab.router("fw");
        lab.host("dst");
        lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        lab.link({"r1", "eth2", 1}, {"fw", "eth0", 2}, 2);
        lab.link({"fw", "eth1", 1}, {"r1", "eth3", 2}, 5);
        lab.link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 3);
        lab.default_route("src", 1, 2);
        lab.default_route("dst", 3, 1);
        lab.default_route("fw", 5, 2);
        for (const int each : {4, 6}) {
            const std::vector<std::string> lines{
                "rule add iif eth0 table 100",
                fmt::format("route add default via {} table 100", lab.address(each, 2, 2))};
            if (each == 4)
                lab.ip("r1", lines);
            else
                lab.ip6("r1", lines);
        }
        lab.rules("fw", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp --dport 23 -j DROP\nCOMMIT\n");
        lab.rules("r1", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -i eth3 -p tcp --dport 24 -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family),
                       {{"tcp", 22}, {"tcp", 23}, {"tcp", 24}}) ==
               std::vector<bool>{true, false, false};
    });
    for (const auto& asked : by_every_tap()) {
        const auto result =
            scan(lab, two_source(lab, family), two_destination(lab, family), "22-24", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "YES");
        CHECK(result.verdict("fw", "tcp", 22) == "YES");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.verdict("r1", "tcp", 23) != "NO");
        CHECK(result.verdict("fw", "tcp", 23) == "NO");
        CHECK(result.result("tcp", 23) == "NO");
        CHECK(result.verdict("fw", "tcp", 24) != "NO");
        CHECK(result.verdict("r1", "tcp", 24) == "NO");
        CHECK(result.result("tcp", 24) == "NO");
    }
}
