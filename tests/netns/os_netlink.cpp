// SPDX-License-Identifier: BSD-2-Clause
// rtnetlink compared with `ip` and `tc`.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>

#include "guard_actor.hpp"
#include "lab/lab.hpp"
#include "lab/wait.hpp"
#include "os/netlink.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

class Pair {
public:
    Pair() {
        lab.router("r1");
        lab.host("a");
        lab.link({"r1", "eth0", 1}, {"a", "eth0", 2}, 0);
        router = value(Netns::open(lab.netns("r1")));
        host = value(Netns::open(lab.netns("a")));
    }
    Lab lab;
    Netns router, host;
};

Link named(Netlink& netlink, const std::string& name) {
    for (auto& link : value(links(netlink)))
        if (link.name == name) return link;
    throw std::runtime_error("no interface " + name);
}

}  // namespace

TEST_CASE("netlink: the peer of a veth, and namespace ids") {
    Pair pair;
    auto netlink = value(Netlink::open(pair.router));
    auto other = value(Netlink::open(pair.host));
    const auto near = named(netlink, "eth0"), far = named(other, "eth0");
    CHECK(near.kind == "veth");
    CHECK(near.up);
    CHECK(near.peer == far.ifindex);
    REQUIRE(near.peer_nsid >= 0);
    CHECK(value(nsid(netlink, pair.host)) == near.peer_nsid);
    CHECK(near.mac != far.mac);
    const auto all = value(addresses(netlink));
    const auto wanted = *Address::parse(pair.lab.address(4, 0, 1));
    CHECK(std::ranges::any_of(all, [&](const auto& each) {
        return each.ifindex == near.ifindex && each.prefix.address == wanted &&
               each.prefix.length == 29;
    }));
    CHECK(value(forwards(netlink, AF_INET, near.ifindex)));
    CHECK(value(forwards(netlink, AF_INET6, near.ifindex)));
    CHECK_FALSE(value(forwards(other, AF_INET, far.ifindex)));
}

TEST_CASE("netlink: route lookup with source, interface, protocol, port, tos and mark") {
    Pair pair;
    pair.lab.ip("r1", {"route add blackhole 198.18.0.0/24", "route add prohibit 198.18.1.0/24",
                       "route add 198.18.2.0/24 via " + pair.lab.address(4, 0, 2),
                       "rule add pref 100 ipproto tcp dport 80-90 to 198.18.2.0/24 prohibit",
                       "rule add pref 101 tos 0x10 to 198.18.2.0/24 blackhole",
                       "rule add pref 102 fwmark 7/0xf to 198.18.2.0/24 unreachable",
                       "rule add pref 103 from 198.18.9.0/24 iif eth0 lookup 77"});
    auto netlink = value(Netlink::open(pair.router));
    const auto eth0 = named(netlink, "eth0").ifindex;
    RouteQuestion question;
    const auto ask = [&] { return value(route(netlink, question)); };
    question.destination = *Address::parse("198.18.2.5");
    question.protocol = IPPROTO_TCP;
    question.destination_port = 22;
    CHECK(ask().oif == eth0);
    CHECK(ask().gateway.text() == pair.lab.address(4, 0, 2));
    question.destination_port = 85;
    CHECK(ask().error == EACCES);
    question.destination_port = 22;
    question.tos = 0x90;  // DSCP 36: the kernel compares three bits
    CHECK(ask().error == EINVAL);
    question.tos = 0;
    question.mark = 7;
    CHECK(ask().error == ENETUNREACH);
    question.mark = 0;
    question.destination = *Address::parse("198.18.0.1");
    CHECK(ask().error == EINVAL);
    question.destination = *Address::parse(pair.lab.address(4, 0, 1));
    CHECK(ask().type == RTN_LOCAL);

    const auto all = value(rules(netlink, AF_INET));
    const auto at = [&](std::uint32_t priority) {
        const auto found = std::ranges::find(all, priority, &RoutingRule::priority);
        if (found == all.end()) throw std::runtime_error("no such rule");
        return *found;
    };
    CHECK(at(100).protocol == IPPROTO_TCP);
    CHECK(at(100).port_first == 80);
    CHECK(at(100).port_last == 90);
    CHECK(at(101).tos == 0x10);
    CHECK(at(101).tos_mask == 0x1c);
    CHECK(at(102).mark == 7);
    CHECK(at(102).mark_mask == 0xf);
    CHECK(at(103).iif == "eth0");
    CHECK(at(103).table == 77);
    CHECK(at(103).source.text() == "198.18.9.0/24");
}

TEST_CASE("netlink: adding a neighbour replaces a failed entry and leaves a valid one") {
    Pair pair;
    auto netlink = value(Netlink::open(pair.router));
    const auto eth0 = named(netlink, "eth0").ifindex;
    const Mac fake{2, 0x6b, 0, 0, 0, 1};
    const auto there = *Address::parse(pair.lab.address(4, 0, 2));
    ok(use_neighbour(netlink, eth0, there));
    REQUIRE(eventually([&] {
        const auto entry = value(neighbour(netlink, eth0, there));
        return entry && (entry->state & NUD_REACHABLE) != 0;
    }));
    ok(add_neighbour(netlink, eth0, there, fake, 0x6b));
    CHECK(value(neighbour(netlink, eth0, there))->mac != fake);

    const auto nobody = *Address::parse(pair.lab.address(4, 0, 6));
    CHECK_FALSE(value(neighbour(netlink, eth0, nobody)));
    ok(use_neighbour(netlink, eth0, nobody));
    ok(add_neighbour(netlink, eth0, nobody, fake, 0x6b));
    const auto added = value(neighbour(netlink, eth0, nobody));
    REQUIRE(added);
    CHECK(added->mac == fake);
    CHECK(added->protocol == 0x6b);
    CHECK((added->state & NUD_PERMANENT) == 0);
    ok(remove_neighbour(netlink, eth0, nobody));
    CHECK(eventually([&] {
        const auto left = value(neighbour(netlink, eth0, nobody));
        return !left || left->mac != fake;
    }));
}

TEST_CASE("netlink: an error has the operation, the place and the extended ACK") {
    Pair pair;
    auto netlink = value(Netlink::open(pair.router));
    const auto failed = remove_clsact(netlink, named(netlink, "eth0").ifindex);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().err != 0);
    CHECK(failed.error().message.find("clsact") != std::string::npos);
    CHECK(failed.error().message.find(pair.lab.netns("r1")) != std::string::npos);
}

TEST_CASE(
    "namespaces: entered by a thread alone, found again by inode and cookie, locked without a "
    "file") {
    Pair pair;
    const auto here = value(Netns::open_path("/proc/thread-self/ns/net", "host"));
    ok(in_netns(pair.router, [&]() -> Status {
        CHECK(value(Netns::open_path("/proc/thread-self/ns/net", "host")).inode() ==
              pair.router.inode());
        return {};
    }));
    CHECK(value(Netns::open_path("/proc/thread-self/ns/net", "host")).inode() == here.inode());
    CHECK(pair.router.cookie() != 0);
    CHECK(value(find_netns(pair.router.inode(), pair.router.cookie())).name() ==
          pair.lab.netns("r1"));
    CHECK(find_netns(pair.router.inode(), pair.router.cookie() + 1).error().code ==
          Code::not_found);
    CHECK(pair.router.is_named_still());
    REQUIRE(Netns::open("host"));

    auto first = value(NetnsLock::shared(pair.router));
    {
        auto second = value(NetnsLock::shared(pair.router));
        CHECK_FALSE(value(first.try_exclusive()));
    }
    first = value(NetnsLock::shared(pair.router));
    CHECK(value(first.try_exclusive()));

    pair.lab.remove("r1");
    CHECK_FALSE(pair.router.is_named_still());
    const auto typo = Netns::open(pair.lab.netns("aa"));
    REQUIRE_FALSE(typo);
    CHECK(typo.error().hint.find(pair.lab.netns("a")) != std::string::npos);
}
