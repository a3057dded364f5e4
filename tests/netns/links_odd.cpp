// SPDX-License-Identifier: BSD-2-Clause
// Links that are no plain veth: what the taps see there is what plain packets meet.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/wait.hpp"

namespace {

using namespace ksms::lab;
using ksms::Fd;

struct Service {
    const char* protocol;
    int port;
};
const std::vector<Service> kServices{{"tcp", 22}, {"tcp", 23}, {"udp", 53}, {"udp", 69}};
constexpr const char* kLinkPorts = "22/tcp,23/tcp,53/udp,69/udp";
constexpr int kSentinel = 33434;

/// src - r1 - r2 - dst by links 1, 2, 3; r2 stops 23/tcp and 69/udp. The odd link joins r1 and r2
/// too, as link 4.
void build_links(Lab& lab) {
    lab.host("src");
    lab.router("r1");
    lab.router("r2");
    lab.host("dst");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"r2", "eth0", 2}, 2);
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 3, 1);
    lab.nft("r2", R"(table inet t {
        chain f {
            type filter hook forward priority 0
            tcp dport 23 drop
            udp dport 69 drop
        }
    })");
}

/// Both addresses of link 4, and the routes by it.
void use_odd_link(Lab& lab, const std::string& of_r1, const std::string& of_r2) {
    for (const auto& [node, interface, host] :
         {std::tuple{"r1", of_r1, 1}, std::tuple{"r2", of_r2, 2}}) {
        lab.ip(node, {fmt::format("addr add {}/29 dev {}", lab.address(4, 4, host), interface),
                      fmt::format("link set {} up", interface)});
        lab.ip6(node,
                {fmt::format("addr add {}/64 dev {} nodad", lab.address(6, 4, host), interface)});
    }
    lab.route("r1", 3, 4, 2);
    lab.route("r2", 1, 4, 1);
}

/// What arrives at dst of plain packets.
std::vector<bool> observe(const Lab& lab, int family) {
    Capture behind(lab.netns("dst"), "eth0");
    const auto send = [&](const std::string& protocol, int port) {
        send_plain({.netns = lab.netns("src"),
                    .destination = lab.address(family, 3, 2),
                    .protocol = protocol,
                    .port = port});
    };
    REQUIRE(eventually([&] {
        send("udp", kSentinel);
        return behind.saw("udp", kSentinel);
    }));
    for (const auto& [protocol, port] : kServices) send(protocol, port);
    send("udp", kSentinel + 1);
    REQUIRE(eventually([&] { return behind.saw("udp", kSentinel + 1); }));
    std::vector<bool> arrived;
    for (const auto& [protocol, port] : kServices) arrived.push_back(behind.saw(protocol, port));
    return arrived;
}

/// Path and isolated, each against the truth.
/// @param interface  of r2, where the way enters it
void check_link(const Lab& lab, int family, const std::string& interface) {
    INFO("IPv" << family);
    const auto truth = observe(lab, family);
    REQUIRE(truth == std::vector<bool>{true, false, true, false});
    for (const std::string mode : {"path", "isolated"}) {
        const auto result = scan(lab, lab.address(family, 1, 1), lab.address(family, 3, 2),
                                 kLinkPorts, {"--mode", mode});
        INFO(result.text());
        CHECK(result.exit() == 0);
        for (std::size_t i = 0; i < kServices.size(); ++i) {
            const auto& [protocol, port] = kServices[i];
            INFO(mode << " " << port << "/" << protocol);
            CHECK(result.verdict("r1", protocol, port) == "YES");
            CHECK(result.verdict("r2", protocol, port) == (truth[i] ? "YES" : "NO"));
        }
        const auto routers = result.field("routers");
        CHECK(routers[1]["ingress_iface"] == interface);
    }
}

/// r2 stops it, and the kernel says why; path and isolated.
void check_stop(const Lab& lab, const std::string& reason) {
    for (const std::string mode : {"path", "isolated"}) {
        const auto result =
            scan(lab, lab.address(4, 1, 1), lab.address(4, 3, 2), "22", {"--mode", mode});
        INFO(result.text());
        CHECK(result.verdict("r1", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "tcp", 22) == "NO");
        CHECK(result.at("r2", "tcp", 22)["reason"] == reason);
    }
}

/// Two tun devices joined by a process of ours.
class TunWire {
public:
    TunWire(const Lab& lab, const std::string& one, const std::string& other) {
        std::array<int, 2> ends{};
        REQUIRE(pipe(ends.data()) == 0);
        pid_ = fork();
        if (pid_ == 0) pump(open_in(lab, one), open_in(lab, other), ends[1]);
        close(ends[1]);
        char byte = 0;
        const auto got = read(ends[0], &byte, 1);
        close(ends[0]);
        REQUIRE(got == 1);
    }
    TunWire(const TunWire&) = delete;
    TunWire& operator=(const TunWire&) = delete;
    ~TunWire() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

private:
    static int open_in(const Lab& lab, const std::string& node) {
        const Fd netns(open(("/run/netns/" + lab.netns(node)).c_str(), O_RDONLY | O_CLOEXEC));
        if (setns(netns.get(), CLONE_NEWNET) != 0) _exit(1);
        const int fd = open("/dev/net/tun", O_RDWR);
        ifreq request{};
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        std::strcpy(request.ifr_name, "tun0");
        if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) _exit(1);
        return fd;
    }
    [[noreturn]] static void pump(int one, int other, int ready) {
        std::array<char, 2048> packet{};
        std::array<pollfd, 2> both{pollfd{one, POLLIN, 0}, pollfd{other, POLLIN, 0}};
        if (write(ready, "x", 1) != 1) _exit(1);
        while (poll(both.data(), both.size(), -1) > 0) {
            for (int i = 0; i < 2; ++i) {
                if ((both[static_cast<std::size_t>(i)].revents & POLLIN) == 0) continue;
                const auto size = read(i == 0 ? one : other, packet.data(), packet.size());
                if (size > 0 &&
                    write(i == 0 ? other : one, packet.data(), static_cast<std::size_t>(size)) < 0)
                    continue;  // it is down for the moment
            }
        }
        _exit(0);
    }
    pid_t pid_{-1};
};

}  // namespace

TEST_CASE("links: vxlan between two routers") {
    Lab lab(Pins::with_process);
    build_links(lab);
    for (const auto& [node, local, remote] : {std::tuple{"r1", 1, 2}, std::tuple{"r2", 2, 1}})
        lab.ip(node, {fmt::format("link add vx0 type vxlan id 5 dstport 4789 local {} remote {}",
                                  lab.address(4, 2, local), lab.address(4, 2, remote))});
    use_odd_link(lab, "vx0", "vx0");
    for (const int family : {4, 6}) check_link(lab, family, "vx0");
}

TEST_CASE("links: macvlan upon a router's interface") {
    Lab lab(Pins::with_process);
    build_links(lab);
    lab.ip("r2", {"link add mac0 link eth0 type macvlan mode bridge"});
    // Else eth0 answers for mac0's address too, and whichever comes first is believed (ARP flux).
    lab.sysctl("r2", "ipv4/conf/all/arp_ignore", "1");
    use_odd_link(lab, "eth1", "mac0");
    for (const int family : {4, 6}) check_link(lab, family, "mac0");
}

TEST_CASE("links: a bridge inside a router") {
    Lab lab(Pins::with_process);
    build_links(lab);
    lab.ip("r2", {"link add br0 type bridge", "link set eth0 master br0"});
    use_odd_link(lab, "eth1", "br0");
    for (const int family : {4, 6}) check_link(lab, family, "br0");
}

TEST_CASE("links: tun, which has no Ethernet header") {
    Lab lab(Pins::with_process);
    build_links(lab);
    const TunWire wire(lab, "r1", "r2");
    use_odd_link(lab, "tun0", "tun0");
    for (const int family : {4, 6}) check_link(lab, family, "tun0");
}

TEST_CASE("links: the smallest MTU that IPv4 has") {
    Lab lab(Pins::with_process);
    build_links(lab);
    lab.route("r1", 3, 2, 2);
    lab.route("r2", 1, 2, 1);
    lab.ip("r1", {"link set eth1 mtu 68"});
    lab.ip("r2", {"link set eth0 mtu 68"});
    check_link(lab, 4, "eth0");
}

TEST_CASE("links: a way back by another interface, with a reverse path filter and without") {
    Lab lab(Pins::with_process);
    build_links(lab);
    lab.link({"r1", "eth2", 1}, {"r2", "eth2", 2}, 5);
    lab.route("r1", 3, 2, 2);
    lab.route("r2", 1, 5, 1);
    check_link(lab, 4, "eth0");
    lab.sysctl("r2", "ipv4/conf/eth0/rp_filter", "1");
    Capture behind(lab.netns("dst"), "eth0");
    check_stop(lab, "IP_RPFILTER");
    CHECK_FALSE(behind.saw("tcp", 22));
}

TEST_CASE("links: an egress interface that is down is no route, at that router") {
    Lab lab(Pins::with_process);
    build_links(lab);
    lab.route("r1", 3, 2, 2);
    lab.route("r2", 1, 2, 1);
    lab.ip("r2", {"link set eth1 down"});
    check_stop(lab, "IP_INNOROUTES");
}

TEST_CASE("links: of two next hops each service is judged at the one that its packet took") {
    Lab lab(Pins::with_process);
    lab.host("src");
    for (const char* node : {"r1", "a", "b"}) lab.router(node);
    lab.host("dst");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"a", "eth0", 2}, 2);
    lab.link({"r1", "eth2", 1}, {"b", "eth0", 2}, 3);
    lab.link({"a", "eth1", 1}, {"dst", "eth0", 2}, 4);
    lab.link({"b", "eth1", 1}, {"dst", "eth1", 2}, 5);
    lab.default_route("src", 1, 2);
    lab.default_route("a", 2, 1);
    lab.default_route("b", 3, 1);
    lab.default_route("dst", 4, 1);
    lab.sysctl("r1", "ipv4/fib_multipath_hash_policy", "1");
    lab.ip("r1", {fmt::format("route add {} nexthop via {} nexthop via {}", lab.subnet(4, 4),
                              lab.address(4, 2, 2), lab.address(4, 3, 2))});
    lab.ip("b", {fmt::format("route add {} via {}", lab.subnet(4, 4), lab.address(4, 5, 2))});
    lab.sysctl("dst", "ipv4/conf/all/rp_filter", "0");
    // b stops everything, and counts by port what it stopped.
    lab.nft("b", R"(table ip t {
        set seen {
            type inet_service
            flags dynamic
        }
        chain f {
            type filter hook forward priority 0
            ip protocol tcp add @seen { tcp dport } drop
        }
    })");
    const auto result = scan(lab, lab.address(4, 1, 1), lab.address(4, 4, 2), "8001-8040");
    INFO(result.text());
    const auto listed = lab.in("b", {"nft", "list", "set", "ip", "t", "seen"});
    int by_b = 0;
    for (int port = 8001; port <= 8040; ++port) {
        const bool stopped = listed.find(std::to_string(port)) != std::string::npos;
        INFO(port << (stopped ? " went by b" : " went by a"));
        by_b += stopped ? 1 : 0;
        CHECK(result.verdict("r1", "tcp", port) == "YES");
        CHECK(result.verdict(stopped ? "b" : "a", "tcp", port) == (stopped ? "NO" : "YES"));
        CHECK(result.verdict(stopped ? "a" : "b", "tcp", port) == "-");
        CHECK(result.result("tcp", port) == (stopped ? "NO" : "YES"));
    }
    CHECK(by_b > 0);
    CHECK(by_b < 40);
}
