// SPDX-License-Identifier: BSD-2-Clause
// What routers change of a probe: each is told with its value, at the router that did it, and the
// probe is followed to the end. The truth is what arrives at the destination.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::lab;

Firewall flavour(const std::string& router) {
    return router == "r1" ? Firewall::iptables_nft : Firewall::iptables_legacy;
}

/// The one packet that arrived at this port.
Packet arrived(Capture& at, const std::string& protocol, int port) {
    INFO(port << "/" << protocol << " at the destination");
    REQUIRE(eventually([&] { return at.saw(protocol, port); }));
    const auto& packets = at.packets();
    return *std::ranges::find_if(packets, [&](const Packet& packet) {
        return packet.protocol == protocol && packet.port == port;
    });
}

std::string endpoint(const std::string& address, int port) {
    return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                  : fmt::format("[{}]:{}", address, port);
}

/// Every router passed it, and `router` alone has notes: these.
void check_notes(const Scan& result, const std::string& router, const std::string& protocol,
                 int port, const std::vector<std::string>& notes) {
    INFO(port << "/" << protocol);
    for (const auto& each : kRouters) {
        INFO("at " << each);
        const auto row = result.at(each, protocol, port);
        REQUIRE(row.is_object());
        CHECK(row["result"] == "YES");
        CHECK(row["notes"] == nlohmann::json(each == router ? notes : std::vector<std::string>{}));
    }
    CHECK(result.result(protocol, port) == "YES");
    CHECK(result.end(protocol, port)["notes"] == nlohmann::json(notes));
}

struct Remark {
    int port;
    const char *chain, *hook;
    int dscp;
};
const std::vector<Remark>& remarks() {
    static const std::vector<Remark> all{
        {1001, "PREROUTING", "prerouting", 0},   {1002, "FORWARD", "forward", 0},
        {1003, "POSTROUTING", "postrouting", 0}, {1011, "PREROUTING", "prerouting", 10},
        {1012, "FORWARD", "forward", 46},        {1013, "POSTROUTING", "postrouting", 63},
    };
    return all;
}

void remark_at(const Lab& lab, const std::string& router) {
    if (router != "r3") {
        std::string table = "*mangle\n";
        for (const auto& one : remarks())
            for (const char* protocol : {"tcp", "udp"})
                table += fmt::format("-A {} -p {} --dport {} -j DSCP --set-dscp {}\n", one.chain,
                                     protocol, one.port, one.dscp);
        lab.rules(router, flavour(router), table + "COMMIT\n");
        return;
    }
    std::string table = "table inet t {\n";
    for (const auto& one : remarks()) {
        table +=
            fmt::format("chain c{} {{ type filter hook {} priority mangle\n", one.port, one.hook);
        for (const char* protocol : {"tcp", "udp"})
            for (const char* family : {"ip", "ip6"})
                table += fmt::format("meta nfproto {} {} dport {} {} dscp set {}\n",
                                     family[2] == '6' ? "ipv6" : "ipv4", protocol, one.port, family,
                                     one.dscp);
        table += "}\n";
    }
    lab.nft(router, table + "}\n");
}

TEST_CASE("failure 5: a DSCP that was rewritten or cleared is followed to the end of the path") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    remark_at(lab, router);
    std::string ports = "1000";
    for (const auto& one : remarks()) ports += fmt::format(",{0}/tcp,{0}/udp", one.port);
    for (const int family : {4, 6}) {
        Capture at_destination(lab.netns("dst"), "eth0");
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), ports);
        INFO("IPv" << family << " at " << router << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.count("yes") == 13);
        check_notes(result, router, "tcp", 1000, {});
        CHECK(arrived(at_destination, "tcp", 1000).tos >> 2 == result.field("dscp"));
        for (const auto& one : remarks())
            for (const char* protocol : {"tcp", "udp"}) {
                CHECK(arrived(at_destination, protocol, one.port).tos >> 2 == one.dscp);
                check_notes(result, router, protocol, one.port,
                            {fmt::format("remarked:{}", one.dscp)});
                const auto name = lab.netns(router);
                CHECK(result.end(protocol, one.port)["why"] ==
                      (one.dscp == 0 ? "bleached at " + name
                                     : fmt::format("{}: remarked to dscp {}", name, one.dscp)));
            }
    }
}

TEST_CASE("failure 5: behind a router that clears the DSCP the others still judge") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.rules("r1", Firewall::iptables_nft,
              "*mangle\n-A PREROUTING -j DSCP --set-dscp 0\nCOMMIT\n");
    lab.rules("r2", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 25 -j DROP\nCOMMIT\n");
    lab.nft("r3",
            "table inet t { chain c { type filter hook forward priority 0\n"
            "udp dport 53 reject\ntcp dport 23 reject with tcp reset\n}\n}\n");
    for (const int family : {4, 6}) {
        const auto result = scan(lab, chain_source(lab, family), chain_destination(lab, family),
                                 "22,23,25,53/udp,123/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.verdict("r2", "tcp", 25) == "NO");
        CHECK(result.verdict("r3", "udp", 53) == "NO");
        CHECK(result.has_note("r3", "udp", 53, "rejected"));
        CHECK(result.has_note("r3", "tcp", 23, "rejected"));
        CHECK(result.verdict("r3", "tcp", 22) == "YES");
        CHECK(result.verdict("r3", "udp", 123) == "YES");
        CHECK(result.has_note("r1", "tcp", 25, "remarked:0"));
        CHECK(result.end("tcp", 22)["why"] == "bleached at " + lab.netns("r1"));
        CHECK(result.end("tcp", 25)["why"] ==
              lab.netns("r2") + ": firewall, FORWARD (NETFILTER_DROP)");
    }
}

/// NAT of one router: port 80 to another port, 81 to another address, 82 to both, 53/udp to both,
/// 90 from another source, 91 masqueraded.
void translate_at(const Lab& lab, const std::string& router, int family, const std::string& other,
                  const std::string& source) {
    const bool six = family == 6;
    const auto at = [six](const std::string& address, int port) {
        return six ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
    };
    if (router != "r3") {
        lab.rules(router, flavour(router),
                  "*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination :8080\n"
                  "-A PREROUTING -p tcp --dport 81 -j DNAT --to-destination " +
                      other + "\n-A PREROUTING -p tcp --dport 82 -j DNAT --to-destination " +
                      at(other, 8443) +
                      "\n-A PREROUTING -p udp --dport 53 -j DNAT --to-destination " +
                      at(other, 5353) + "\n-A POSTROUTING -p tcp --dport 90 -j SNAT --to-source " +
                      source + "\n-A POSTROUTING -p tcp --dport 91 -j MASQUERADE\nCOMMIT\n",
                  family);
        return;
    }
    const std::string kind = six ? "ip6" : "ip";
    lab.nft(router, "table " + kind + " t" + kind +
                        " { chain a { type nat hook prerouting priority dstnat\n"
                        "tcp dport 80 dnat to :8080\ntcp dport 81 dnat to " +
                        other + "\ntcp dport 82 dnat to " + at(other, 8443) +
                        "\nudp dport 53 dnat to " + at(other, 5353) +
                        "\n}\nchain b { type nat hook postrouting priority srcnat\n"
                        "tcp dport 90 snat to " +
                        source + "\ntcp dport 91 masquerade\n}\n}\n");
}

void check_translated(const Lab& lab, const std::string& router, int family) {
    const auto target = chain_destination(lab, family);
    Capture at_destination(lab.netns("dst"), "eth0");
    const auto result = scan(lab, chain_source(lab, family), target, "22,80,81,82,53/udp,90,91");
    INFO("IPv" << family << " at " << router << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    const auto name = lab.netns(router);
    check_notes(result, router, "tcp", 22, {});
    struct Destination {
        const char* protocol;
        int asked, to;
    };
    for (const auto& [protocol, asked, to] :
         {Destination{"tcp", 80, 8080}, Destination{"tcp", 81, 81}, Destination{"tcp", 82, 8443},
          Destination{"udp", 53, 5353}}) {
        const auto packet = arrived(at_destination, protocol, to);
        CHECK((packet.destination == target) == (asked == 80));
        const auto where = endpoint(packet.destination, packet.port);
        check_notes(result, router, protocol, asked, {"translated:" + where});
        CHECK(result.end(protocol, asked)["why"] == name + ": translated to " + where);
    }
    for (const int port : {90, 91}) {
        const auto packet = arrived(at_destination, "tcp", port);
        CHECK(packet.source != chain_source(lab, family));
        const auto where = endpoint(packet.source, packet.source_port);
        check_notes(result, router, "tcp", port, {"translated-source:" + where});
        CHECK(result.end("tcp", port)["why"] == name + ": source translated to " + where);
    }
}

TEST_CASE("failure 5: DNAT of port, address and both, SNAT and masquerading, with their values") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    for (const int family : {4, 6}) {
        const auto other = lab.address(family, 4, 5);
        lab.ip("dst", {fmt::format("addr add {}/{} dev eth0{}", other, family == 4 ? 29 : 64,
                                   family == 4 ? "" : " nodad")});
        translate_at(lab, router, family, other, lab.address(family, 30, 1));
        check_translated(lab, router, family);
    }
}

TEST_CASE("a changed TTL or MSS changes no verdict") {
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    lab.rules("r1", Firewall::iptables_nft,
              "*mangle\n-A PREROUTING -j TTL --ttl-set 9\n"
              "-A FORWARD -p tcp --syn -j TCPMSS --set-mss 700\nCOMMIT\n",
              4);
    lab.rules("r1", Firewall::iptables_nft,
              "*mangle\n-A PREROUTING -p tcp -j HL --hl-set 9\n"
              "-A FORWARD -p tcp --syn -j TCPMSS --set-mss 700\nCOMMIT\n",
              6);
    lab.rules("r2", Firewall::iptables_legacy,
              "*mangle\n-A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n");
    lab.nft("r3",
            "table inet t { chain c { type filter hook forward priority 0\n"
            "ip ttl set 33\nmeta l4proto tcp ip6 hoplimit set 33\ntcp flags syn tcp option maxseg "
            "size set 600\n"
            "tcp dport 25 drop\n}\n}\n");
    for (const int family : {4, 6}) {
        const auto result =
            scan(lab, chain_source(lab, family), chain_destination(lab, family), "22,25,53/udp");
        INFO("IPv" << family << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        check_notes(result, "r1", "tcp", 22, {});
        check_notes(result, "r1", "udp", 53, {});
        CHECK(result.verdict("r3", "tcp", 25) == "NO");
    }
}

TEST_CASE("IPv6 prefixes are translated: NPTv6 and NAT66") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto inside = lab.address(6, 1, 0) + "/64", outside = lab.address(6, 29, 0) + "/64";
    if (router == "r3")
        lab.nft("r3",
                "table ip6 t { chain c { type nat hook postrouting priority srcnat\n"
                "tcp dport 80 snat prefix to ip6 saddr map { " +
                    inside + " : " + outside + " }\n}\n}\n");
    else
        lab.rules(router, flavour(router),
                  "*mangle\n-A POSTROUTING -p tcp --dport 80 -j SNPT --src-pfx " + inside +
                      " --dst-pfx " + outside +
                      "\nCOMMIT\n*nat\n-A POSTROUTING -p tcp --dport 81 -j NETMAP --to " + outside +
                      "\nCOMMIT\n",
                  6);
    Capture at_destination(lab.netns("dst"), "eth0");
    const auto result = scan(lab, chain_source(lab, 6), chain_destination(lab, 6), "22,80,81");
    INFO(router << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    check_notes(result, router, "tcp", 22, {});
    for (const int port : {80, 81}) {
        const auto packet = arrived(at_destination, "tcp", port);
        const bool translated = router != "r3" || port == 80;
        CHECK((packet.source != chain_source(lab, 6)) == translated);
        if (!translated) continue;
        check_notes(result, router, "tcp", port,
                    {"translated-source:" + endpoint(packet.source, packet.source_port)});
    }
}

TEST_CASE("IPv6 prefixes of the destination are translated: DNPT") {
    const std::string router = GENERATE("r1", "r2", "r3");
    Lab lab(Pins::with_process);
    build_chain(lab, {.firewalls = false});
    const auto asked = lab.address(6, 4, 0) + "/64", other = lab.address(6, 29, 0) + "/64";
    lab.route("r2", 29, 3, 2);
    lab.route("r3", 29, 4, 2);
    // DNPT changes the interface identifier too, so that checksums stay (RFC 6296, section 3.5).
    lab.ip6("dst", {"route add local " + other + " dev lo"});
    if (router == "r3")
        lab.nft("r3",
                "table ip6 t { chain c { type nat hook prerouting priority dstnat\n"
                "tcp dport 80 dnat prefix to ip6 daddr map { " +
                    asked + " : " + other + " }\n}\n}\n");
    else
        lab.rules(router, flavour(router),
                  "*mangle\n-A PREROUTING -p tcp --dport 80 -j DNPT --src-pfx " + asked +
                      " --dst-pfx " + other + "\nCOMMIT\n",
                  6);
    Capture at_destination(lab.netns("dst"), "eth0");
    const auto result = scan(lab, chain_source(lab, 6), chain_destination(lab, 6), "22,80");
    INFO(router << "\n" << result.text());
    REQUIRE(result.exit() == 0);
    check_notes(result, router, "tcp", 22, {});
    const auto packet = arrived(at_destination, "tcp", 80);
    CHECK(packet.destination != chain_destination(lab, 6));
    check_notes(result, router, "tcp", 80,
                {"translated:" + endpoint(packet.destination, packet.port)});
}

}  // namespace
