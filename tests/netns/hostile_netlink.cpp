// SPDX-License-Identifier: BSD-2-Clause
// Who owns a namespace may send to every netlink socket in it, ours too: forged replies, broken
// ones, and very many of them.
#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "guard_actor.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/stranger.hpp"
#include "lab/users.hpp"
#include "lab/wait.hpp"
#include "os/conntrack.hpp"
#include "os/netlink.hpp"
#include "os/nftables.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

/// What the attacker counts, in memory that he shares with the test.
struct Shots {
    /// Whom he aims at, by port; none: everybody. Others on this machine look into all namespaces.
    std::array<std::atomic<std::uint32_t>, 4> only{};
    std::atomic<std::uint64_t> victims{0};    ///< sockets of others that he saw
    std::atomic<std::uint64_t> delivered{0};  ///< messages to one of them that the kernel took
    std::atomic<std::uint64_t> refused{0};    ///< that it did not take
    std::atomic<std::uint64_t> groups{0};     ///< messages to everybody who listens
};

class SharedShots {
public:
    SharedShots()
        : shots_(static_cast<Shots*>(::mmap(nullptr, sizeof(Shots), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        if (shots_ == MAP_FAILED) throw std::runtime_error("mmap");
        new (shots_) Shots;
    }
    SharedShots(const SharedShots&) = delete;
    SharedShots& operator=(const SharedShots&) = delete;
    ~SharedShots() { ::munmap(shots_, sizeof(Shots)); }
    Shots* operator->() const { return shots_; }
    [[nodiscard]] Shots& operator*() const { return *shots_; }

private:
    Shots* shots_;
};

struct Forged {
    alignas(nlmsghdr) char bytes[256]{};
    std::size_t size{0};

    /// @param told  the length that the message says it has
    Forged(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::size_t length,
           std::uint32_t told)
        : size(length) {
        const nlmsghdr header{told, type, flags, sequence, 0};
        std::memcpy(bytes, &header, sizeof header);
    }
    void put(std::size_t at, const void* data, std::size_t length) {
        std::memcpy(bytes + at, data, length);
    }
    template <typename T>
    void put(std::size_t at, T value) {
        put(at, &value, sizeof value);
    }
};

/// From his point of view: everything that may be believed, or read too far.
class Attack {
public:
    explicit Attack(Shots& shots) : shots_(shots) {}

    [[noreturn]] void run() {
        for (const int protocol : {NETLINK_ROUTE, NETLINK_NETFILTER}) {
            int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
            sockaddr_nl own{AF_NETLINK, 0, 0, 0};
            socklen_t size = sizeof own;
            ::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own);
            ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
            (protocol == NETLINK_ROUTE ? route_ : netfilter_) = {fd, own.nl_pid};
        }
        while (true) {
            shoot_all();
            shout();
        }
    }

private:
    struct Gun {
        int fd;
        std::uint32_t port;
    };

    /// Every socket that /proc/net/netlink lists in this namespace.
    void shoot_all() {
        std::FILE* list = std::fopen("/proc/self/net/netlink", "re");
        if (list == nullptr) return;
        char line[512];
        while (std::fgets(line, sizeof line, list) != nullptr) {
            int protocol = 0;
            std::uint32_t port = 0;
            if (std::sscanf(line, "%*s %d %u", &protocol, &port) != 2 || port == 0) continue;
            if (protocol != NETLINK_ROUTE && protocol != NETLINK_NETFILTER) continue;
            const auto& gun = protocol == NETLINK_ROUTE ? route_ : netfilter_;
            if (port == gun.port || !is_target(port)) continue;
            ++shots_.victims;
            shoot(gun, port);
        }
        std::fclose(list);
    }

    [[nodiscard]] bool is_target(std::uint32_t port) const {
        return shots_.only[0] == 0 ||
               std::ranges::any_of(shots_.only, [port](const auto& each) { return each == port; });
    }

    void shoot(const Gun& gun, std::uint32_t port) {
        for (std::uint32_t sequence = 1; sequence <= 24; ++sequence) {
            send(gun, port, 0, broken_error(sequence));
            send(gun, port, 0, route_to_nowhere(sequence));
            send(gun, port, 0, Forged(NLMSG_DONE, NLM_F_MULTI, sequence, 20, 20));
            send(gun, port, 0, Forged(RTM_NEWLINK, NLM_F_MULTI, sequence, 17, 17));
            send(gun, port, 0, Forged(RTM_NEWADDR, NLM_F_MULTI, sequence, 16, 0xffffffff));
            send(gun, port, 0, attribute_beyond(sequence));
        }
    }

    /// To those who listen: neighbours that answer, rules that dropped.
    void shout() {
        send(route_, 0, RTMGRP_NEIGH, Forged(RTM_NEWNEIGH, 0, 0, 16, 16));
        send(route_, 0, RTMGRP_NEIGH, Forged(RTM_NEWNEIGH, 0, 0, 18, 18));
        send(netfilter_, 0, 1u << (NFNLGRP_NFTRACE - 1),
             Forged(NFNL_SUBSYS_NFTABLES << 8 | 17, 0, 0, 17, 17));
    }

    /// An error with words behind a request that is said to be 2 GiB long.
    static Forged broken_error(std::uint32_t sequence) {
        Forged forged(NLMSG_ERROR, NLM_F_ACK_TLVS, sequence, 36, 36);
        forged.put(16, int{-ENOENT});
        forged.put(20, std::uint32_t{0x7fffffff});
        return forged;
    }

    static Forged route_to_nowhere(std::uint32_t sequence) {
        Forged forged(RTM_NEWROUTE, 0, sequence, 28, 28);
        rtmsg info{};
        info.rtm_family = AF_INET;
        info.rtm_type = RTN_BLACKHOLE;
        forged.put(16, info);
        return forged;
    }

    static Forged attribute_beyond(std::uint32_t sequence) {
        Forged forged(RTM_NEWLINK, NLM_F_MULTI, sequence, 40, 40);
        forged.put(32, std::uint16_t{0xfff0});
        forged.put(34, std::uint16_t{3});
        return forged;
    }

    void send(const Gun& gun, std::uint32_t port, std::uint32_t groups, const Forged& forged) {
        const sockaddr_nl to{AF_NETLINK, 0, port, groups};
        const auto sent = ::sendto(gun.fd, forged.bytes, forged.size, MSG_DONTWAIT,
                                   reinterpret_cast<const sockaddr*>(&to), sizeof to);
        if (groups != 0)
            ++shots_.groups;
        else
            ++(sent < 0 ? shots_.refused : shots_.delivered);
    }

    Shots& shots_;
    Gun route_{}, netfilter_{};
};

/// src - r1 - dst, and r1 belongs to somebody else.
class HostileLab {
public:
    HostileLab() : stranger(kStranger.uid, [this] { Attack(*shots).run(); }) {
        if (!stranger.here()) return;
        lab.host("src");
        lab.adopt_router("r1", stranger.pid());
        lab.host("dst");
        lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        lab.link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 2);
        lab.default_route("src", 1, 2);
        lab.default_route("dst", 2, 1);
        lab.nft("r1",
                "table inet t { chain forward { type filter hook forward priority 0\n"
                "tcp dport 25 drop\ntcp dport 23 reject with tcp reset\n}\n}\n");
    }
    Lab lab;
    SharedShots shots;
    Stranger stranger;
};

std::uint32_t port_of(int fd) {
    sockaddr_nl own{};
    socklen_t size = sizeof own;
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0);
    return own.nl_pid;
}

#define SKIP_UNLESS_HERE(lab)                                \
    if (!(lab).stranger.here()) {                            \
        WARN("SKIP: this kernel gives users no namespaces"); \
        return;                                              \
    }

}  // namespace

TEST_CASE("hostile netlink: replies are the kernel's, whatever the namespace's owner sends") {
    HostileLab hostile;
    SKIP_UNLESS_HERE(hostile);
    const auto router = value(Netns::open(hostile.lab.netns("r1")));
    auto netlink = value(Netlink::open(router));
    auto listening = value(Netlink::open(router, RTMGRP_NEIGH));
    auto netfilter = value(Netlink::open_netfilter(router));
    auto conntrack = value(Conntrack::open(router));
    const auto interfaces = value(links(netlink)).size();
    const auto owned = value(addresses(netlink)).size();
    const auto routing = value(rules(netlink, AF_INET)).size();
    const auto chains = value(nft_chains(netfilter)).size();
    REQUIRE(interfaces == 3);
    REQUIRE(chains == 1);
    RouteQuestion question;
    question.destination = *Address::parse(hostile.lab.address(4, 2, 2));
    const auto way = value(route(netlink, question));

    std::size_t target = 0;
    for (const int fd : {netlink.fd(), listening.fd(), netfilter.fd()})
        hostile.shots->only.at(target++) = port_of(fd);
    hostile.stranger.start();
    REQUIRE(eventually([&] { return hostile.shots->victims > 100; }));
    bool noticed = false;
    for (int round = 0; round < 1000; ++round) {
        REQUIRE(value(links(netlink)).size() == interfaces);
        REQUIRE(value(addresses(netlink)).size() == owned);
        REQUIRE(value(rules(netlink, AF_INET)).size() == routing);
        REQUIRE(value(route(netlink, question)) == way);
        REQUIRE(value(nft_chains(netfilter)).size() == chains);
        REQUIRE(value(conntrack.table()).limit > 0);
        const auto heard = listening.wait(nanoseconds(0), [&](const nlmsghdr* message) {
            if (message->nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg))) noticed = true;
        });
        REQUIRE(heard);
    }
    CHECK_FALSE(noticed);
    CHECK(hostile.shots->groups > 0);
    CHECK(hostile.shots->refused > 0);
    CHECK(hostile.shots->delivered == 0);
}

TEST_CASE("hostile netlink: scans through the namespace of one who forges replies are right") {
    HostileLab hostile;
    SKIP_UNLESS_HERE(hostile);
    hostile.stranger.start();
    REQUIRE(eventually([&] { return hostile.shots->groups > 0; }));
    for (int round = 0; round < 8; ++round) {
        const int family = round % 2 == 0 ? 4 : 6;
        const auto result = scan(hostile.lab, hostile.lab.address(family, 1, 1),
                                 hostile.lab.address(family, 2, 2), "22,23,25,80,53/udp");
        INFO(result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("tcp", 80) == "YES");
        CHECK(result.result("udp", 53) == "YES");
        CHECK(result.result("tcp", 23) == "NO");
        CHECK(result.result("tcp", 25) == "NO");
    }
    CHECK(hostile.shots->victims > 0);
}
