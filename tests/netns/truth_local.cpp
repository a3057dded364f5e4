// SPDX-License-Identifier: BSD-2-Clause
// A router takes a packet itself, or seems to: translated away, redirected to a daemon, refused by
// a socket.
#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
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

std::string any_address(int family) {
    return family == 4 ? "0.0.0.0" : "::";
}

std::string in_brackets(int family, const std::string& address) {
    return family == 4 ? address : "[" + address + "]";
}

/// A plain datagram to the address comes to this socket.
bool takes_plain(const Lab& lab, const Fd& socket, const std::string& destination, int port) {
    return eventually([&] {
        send_plain({.netns = lab.netns("src"),
                    .destination = destination,
                    .protocol = "udp",
                    .port = port});
        std::array<char, 64> buffer{};
        return ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0;
    });
}

enum class Redirect { redirect, tproxy, localhost };

/// r1 gives 53/udp to a daemon of its own at 5353/udp.
void redirect_at_r1(const Lab& lab, int family, Redirect how, const Fd& daemon) {
    const std::string match = "-A PREROUTING -i eth0 -p udp --dport 53 -j ";
    if (how == Redirect::tproxy) {
        const int one = 1;
        if (family == 4)
            ::setsockopt(daemon.get(), IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one);
        else
            ::setsockopt(daemon.get(), IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof one);
        const std::vector<std::string> lines{"rule add fwmark 1 table 100",
                                             "route add local default dev lo table 100"};
        if (family == 4)
            lab.ip("r1", lines);
        else
            lab.ip6("r1", lines);
        lab.rules("r1", Firewall::iptables_legacy,
                  "*mangle\n" + match + "TPROXY --on-port 5353 --tproxy-mark 1\nCOMMIT\n", family);
        return;
    }
    if (how == Redirect::localhost) lab.sysctl("r1", "ipv4/conf/eth0/route_localnet", "1");
    lab.rules("r1", Firewall::iptables_legacy,
              "*nat\n" + match +
                  (how == Redirect::redirect ? "REDIRECT --to-ports 5353"
                                             : "DNAT --to-destination 127.0.0.1:5353") +
                  "\nCOMMIT\n",
              family);
}

void check_redirected(Redirect how, int family) {
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto target = two_destination(lab, family);
    const auto daemon = listen_in(lab.netns("r1"), any_address(family), "udp", 5353);
    given("the daemon has the datagram", [&] {
        redirect_at_r1(lab, family, how, daemon);
        return takes_plain(lab, daemon, target, 53);
    });
    for (const auto& asked : in_every_way()) {
        const auto result =
            ask(lab, two_source(lab, family), target, "53/udp,54/udp", asked, kImpatient);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "udp", 53) != "NO");
        CHECK(result.result("udp", 53) != "NO");
        CHECK(result.result("udp", 54) == "YES");
    }
}

/// What INPUT lets through comes to a raw socket too (raw(7)).
bool passes_input(const Lab& lab, const std::string& destination, int port) {
    Fd raw;
    const bool six = destination.find(':') != std::string::npos;
    inside(lab.netns("r2"), [&] {
        raw = Fd(::socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
    });
    return takes_plain(lab, raw, destination, port);
}

void fill(const Lab& lab, const Fd& socket, const std::string& destination, int port) {
    const int least = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    send_plain({.netns = lab.netns("src"),
                .destination = destination,
                .protocol = "udp",
                .port = port,
                .count = 100});
}

void refuse_all(const Fd& socket) {
    std::array<sock_filter, 1> code{sock_filter{BPF_RET | BPF_K, 0, 0, 0}};
    const sock_fprog program{code.size(), code.data()};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void check_refused_by_socket(bool full, int family) {
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto target = lab.address(family, 2, 2);
    const auto socket = listen_in(lab.netns("r2"), target, "udp", 161);
    given("the router lets it in, and the socket does not", [&] {
        if (full)
            fill(lab, socket, target, 161);
        else
            refuse_all(socket);
        return passes_input(lab, target, 161);
    });
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), target, "161/udp,162/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "udp", 161) == "YES");
        CHECK(result.result("udp", 161) == "YES");
        CHECK_FALSE(result.has_note("r2", "udp", 161, "no-listener"));
    }
}

}  // namespace

namespace {

void check_translated_to_nobody(int family, const std::vector<Asked>& ways) {
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto target = lab.address(family, 2, 2);
    given("nobody connects", [&] {
        const auto nobody = in_brackets(family, lab.address(family, 3, 5));
        lab.rules("r2", Firewall::iptables_legacy,
                  fmt::format("*nat\n-A PREROUTING -p tcp --dport 8080 -j DNAT "
                              "--to-destination {0}\n-A PREROUTING -p udp --dport 8080 -j DNAT "
                              "--to-destination {0}\nCOMMIT\n",
                              nobody),
                  family);
        return !connects(lab.netns("src"), target, 8080);
    });
    for (const auto& asked : ways) {
        const auto result = ask(lab, two_source(lab, family), target, "8080,8080/udp,81", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        for (const char* protocol : {"tcp", "udp"}) {
            CHECK(result.verdict("r2", protocol, 8080) != "YES");
            CHECK(result.result(protocol, 8080) != "YES");
        }
        CHECK(result.result("tcp", 81) == "YES");
    }
}

}  // namespace

TEST_CASE("truth: a router that owns the destination translates to an address that nobody has") {
    check_translated_to_nobody(GENERATE(4, 6), only({"clsact", "TCX", "XDP", "isolated"}));
}

TEST_CASE("truth: a destination that is translated to an address that nobody has, by netfilter") {
    check_translated_to_nobody(GENERATE(4, 6), only({"netfilter"}));
}

TEST_CASE("truth: REDIRECT to a daemon of the router's") {
    check_redirected(Redirect::redirect, GENERATE(4, 6));
}

TEST_CASE("truth: REDIRECT of a connection to a daemon of the router's") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto daemon = listen_in(lab.netns("r1"), any_address(family), "tcp", 8080);
    const auto target = two_destination(lab, family);
    given("the daemon answers", [&] {
        lab.rules("r1", Firewall::iptables_legacy,
                  "*nat\n-A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT --to-ports 8080\n"
                  "COMMIT\n",
                  family);
        return eventually([&] { return connects(lab.netns("src"), target, 80); });
    });
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), target, "80,81", asked, kImpatient);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r1", "tcp", 80) != "NO");
        CHECK(result.result("tcp", 80) != "NO");
        CHECK(result.result("tcp", 81) == "YES");
    }
}

TEST_CASE("truth: TPROXY to a daemon of the router's") {
    check_redirected(Redirect::tproxy, GENERATE(4, 6));
}

TEST_CASE("truth: DNAT to a daemon at the router's 127.0.0.1") {
    check_redirected(Redirect::localhost, 4);
}

TEST_CASE("truth: a socket filter refuses what the router let in") {
    check_refused_by_socket(false, GENERATE(4, 6));
}

TEST_CASE("truth: a socket whose receive buffer is full refuses what the router let in") {
    check_refused_by_socket(true, GENERATE(4, 6));
}

TEST_CASE("truth: a destination that passes a datagram on under its own address") {
    const int family = GENERATE(4, 6);
    Lab lab(Pins::with_process);
    build_two(lab);
    const auto target = lab.address(family, 3, 1);
    given("the datagram comes to the host behind", [&] {
        lab.rules("r2", Firewall::iptables_legacy,
                  "*nat\n-A PREROUTING -p udp -j DNAT --to-destination " +
                      two_destination(lab, family) +
                      "\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n",
                  family);
        return observe(lab, target, {{"udp", 53}}) == std::vector<bool>{true};
    });
    for (const auto& asked : in_every_way()) {
        const auto result = ask(lab, two_source(lab, family), target, "53/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        for (const char* router : {"r1", "r2"}) CHECK(result.verdict(router, "udp", 53) == "YES");
        CHECK(result.result("udp", 53) == "YES");
    }
}
