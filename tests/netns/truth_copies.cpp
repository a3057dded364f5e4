// SPDX-License-Identifier: BSD-2-Clause
// What is not the packet itself: mirrors, copies for somebody who listens, copies that come back,
// answers that carry a question.
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/process.hpp"
#include "lab/truth.hpp"
#include "truth_passing.hpp"

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

}  // namespace

namespace {

void check_mirror_beside_nobody(int family, const std::vector<Asked>& ways) {
    Lab lab(Pins::with_process);
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
        // The router's own word: it asks for a gateway that does not answer.
        return eventually([&] {
                   const auto asked = lab.in("r2", {"ip", family == 4 ? "-4" : "-6", "neigh",
                                                    "show", "to", lab.address(family, 3, 5)});
                   return asked.find("INCOMPLETE") != std::string::npos ||
                          asked.find("FAILED") != std::string::npos;
               }) &&
               !beyond.saw("tcp", 22);
    });
    for (const auto& asked : ways) {
        const auto result =
            ask(lab, two_source(lab, family), target, "22,53/udp", asked, kImpatient);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) != "YES");
        CHECK(result.result("tcp", 22) != "YES");
        CHECK(result.result("udp", 53) != "YES");
    }
}

}  // namespace

TEST_CASE("truth: a mirror port beside a gateway that nobody has is no way out") {
    check_mirror_beside_nobody(GENERATE(4, 6), only({"clsact", "TCX", "XDP"}));
}

TEST_CASE("truth: a mirror port beside a gateway that nobody has, by netfilter") {
    check_mirror_beside_nobody(GENERATE(4, 6), only({"netfilter"}));
}

TEST_CASE("truth: a mirror port beside a firewall that drops is no way out") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
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
            ask(lab, two_source(lab, family), two_destination(lab, family), "22,23", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.result("tcp", 22) == "NO");
        CHECK(result.result("tcp", 23) == "YES");
    }
}

namespace {

void check_ifb(int family, const std::vector<Asked>& ways) {
    Lab lab(Pins::with_process);
    given("a packet that comes alone passes", [&] {
        build_two(lab);
        lab.ip("r2", {"link add ifb0 type ifb", "link set ifb0 up"});
        mirror_at_r2(lab, "eth0", "ingress", "redirect", "ifb0");
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p tcp -m limit --limit 10/s --limit-burst 1 -j ACCEPT\n"
                  "-A FORWARD -p tcp -j DROP\nCOMMIT\n");
        return observe(lab, two_destination(lab, family), {{"tcp", 22}}) == std::vector<bool>{true};
    });
    for (const auto& asked : ways) {
        const auto result =
            ask(lab, two_source(lab, family), two_destination(lab, family), "8001-8005", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.count("no") == 0);
    }
}

}  // namespace

TEST_CASE("truth: an ifb in front of a rate limit, and what passes alone is no NO") {
    check_ifb(GENERATE(4, 6), only({"clsact", "TCX", "XDP", "isolated"}));
}

TEST_CASE("truth: an ifb in front of a rate limit, by netfilter") {
    check_ifb(GENERATE(4, 6), only({"netfilter"}));
}

namespace {

void check_idle_socket(const std::string& interface) {
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        Fd idle;
        given("everything arrives", [&] {
            build_two(lab);
            idle = idle_socket(lab, interface, unseen_destination(lab, family));
            return all_arrive(lab, family);
        });
        check_all_pass(lab, family, in_every_way());
    }
}

void check_full_mirror(const std::string& interface, const std::string& direction,
                       const std::vector<Asked>& ways) {
    for (const int family : {4, 6}) {
        Lab lab(Pins::with_process);
        given("everything arrives", [&] {
            build_two(lab);
            add_spy(lab);
            lab.in("r2", {"tc", "qdisc", "add", "dev", "eth2", "root", "blackhole"});
            mirror_at_r2(lab, interface, direction, "mirror", "eth2");
            return all_arrive(lab, family);
        });
        check_all_pass(lab, family, ways);
    }
}

}  // namespace

TEST_CASE("truth: a packet socket that nobody reads drops its copy and stops nothing") {
    check_idle_socket("eth1");
}

TEST_CASE("truth: a packet socket that nobody reads where packets come in") {
    check_idle_socket("eth0");
}

TEST_CASE("truth: a mirror that is full drops its copy and stops nothing, by netfilter") {
    check_full_mirror("eth1", "egress", only({"netfilter"}));
}

TEST_CASE("truth: a mirror that is full drops its copy and stops nothing") {
    check_full_mirror("eth1", "egress", only({"clsact", "TCX", "XDP", "isolated"}));
    check_full_mirror("eth0", "ingress", in_every_way());
}

TEST_CASE("truth: a bridge that floods drops a copy at one port and stops nothing") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    given("everything arrives, by a bridge that knows no addresses", [&] {
        build_two(lab);
        lab.host("other");
        lab.ip("r2",
               {"link add br0 type bridge ageing_time 0 mcast_snooping 0", "link set br0 up"});
        lab.ip("r2", {"link set eth1 master br0", "addr flush dev eth1",
                      fmt::format("addr add {}/29 dev br0", lab.address(4, 3, 1))});
        lab.ip6("r2", {fmt::format("addr add {}/64 dev br0 nodad", lab.address(6, 3, 1))});
        lab.plug({"other", "eth0", 3}, "r2", "br0", 3);
        lab.ip("r2", {"neigh replace " + unseen_destination(lab, 4) +
                      " lladdr 02:00:00:00:03:02 nud permanent dev br0"});
        lab.ip6("r2", {"neigh replace " + unseen_destination(lab, 6) +
                       " lladdr 02:00:00:00:03:02 nud permanent dev br0"});
        lab.in("r2", {"tc", "qdisc", "add", "dev", "p3_3", "root", "blackhole"});
        return all_arrive(lab, family);
    });
    check_all_pass(lab, family, in_every_way());
}

TEST_CASE("truth: an echo that a firewall drops on its way back is no drop of the probe") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto target = two_destination(lab, family);
    const auto socket = listen_in(lab.netns("dst"), target, "udp", 7);
    const auto echoing = echo({socket.get()});
    given("the datagram arrives, and the echo does not", [&] {
        const auto comes_back = [&] {
            Capture back(lab.netns("src"), "eth1");
            send_plain({.netns = lab.netns("src"),
                        .destination = target,
                        .protocol = "udp",
                        .port = 7,
                        .source_port = 5007});
            return eventually([&] { return back.saw("udp", 5007); }, milliseconds{50});
        };
        const bool before = eventually(comes_back);
        lab.rules("r2", Firewall::iptables_legacy,
                  "*filter\n-A FORWARD -p udp --sport 7 -j DROP\nCOMMIT\n");
        return before && !comes_back() &&
               observe(lab, target, {{"udp", 7}}) == std::vector<bool>{true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), target, "7/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        for (const char* router : {"r1", "r2"}) CHECK(result.verdict(router, "udp", 7) == "YES");
        CHECK(result.result("udp", 7) == "YES");
    }
}
