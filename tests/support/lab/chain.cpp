// SPDX-License-Identifier: BSD-2-Clause
#include "lab/chain.hpp"

#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "lab/capture.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {
namespace {

// An open service that is sent last: what arrived before it has arrived, what has not never will.
constexpr int kSentinel = 33434;

constexpr const char* kIptablesNft = R"(*raw
-A PREROUTING -p tcp --dport 135 -j DROP
COMMIT
*mangle
-A PREROUTING -p tcp --dport 139 -j DROP
-A POSTROUTING -p tcp --dport 445 -j DROP
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -p tcp --dport 23 -j REJECT
-A FORWARD -p tcp -m multiport --dports 22,25,80,110,143,443,445,993,3389,8080 -j ACCEPT
-A FORWARD -p udp -m multiport --dports 53,69,123,514,1900,5060,33434 -j ACCEPT
COMMIT
)";

constexpr const char* kIptablesLegacy = R"(*raw
-A PREROUTING -p tcp --dport 110 -j DROP
COMMIT
*mangle
-A PREROUTING -p udp --dport 69 -j DROP
-A POSTROUTING -p tcp --dport 3389 -j DROP
COMMIT
*filter
-A FORWARD -p tcp --dport 25 -j DROP
-A FORWARD -p udp --dport 514 -j REJECT
COMMIT
)";

constexpr const char* kNftables = R"(table inet ksms_lab {
    chain early {
        type filter hook prerouting priority raw
        tcp dport 143 drop
    }
    chain forward {
        type filter hook forward priority filter
        policy drop
        ct state established,related accept
        tcp dport 443 reject
        tcp dport { 22, 80, 993 } accept
        udp dport { 53, 123, 5060, 33434 } accept
    }
    chain late {
        type filter hook postrouting priority mangle
        udp dport 123 drop
        tcp dport 993 drop
    }
}
)";

}  // namespace

const std::vector<ChainService>& chain_services() {
    static const std::vector<ChainService> services{
        {"tcp", 22, 3, "open"},
        {"tcp", 23, 0, "r1: REJECT in FORWARD"},
        {"tcp", 25, 1, "r2: DROP in FORWARD"},
        {"udp", 53, 3, "open"},
        {"udp", 69, 1, "r2: DROP in mangle PREROUTING"},
        {"tcp", 80, 3, "open"},
        {"tcp", 110, 1, "r2: DROP in raw PREROUTING"},
        {"udp", 123, 2, "r3: drop in postrouting"},
        {"tcp", 135, 0, "r1: DROP in raw PREROUTING"},
        {"tcp", 139, 0, "r1: DROP in mangle PREROUTING"},
        {"tcp", 143, 2, "r3: drop in prerouting"},
        {"udp", 161, 0, "r1: policy of FORWARD"},
        {"tcp", 443, 2, "r3: reject in forward"},
        {"tcp", 445, 0, "r1: DROP in mangle POSTROUTING"},
        {"udp", 514, 1, "r2: REJECT in FORWARD"},
        {"tcp", 993, 2, "r3: drop in postrouting"},
        {"udp", 1900, 2, "r3: policy of forward"},
        {"tcp", 3389, 1, "r2: DROP in mangle POSTROUTING"},
        {"udp", 5060, 3, "open"},
        {"tcp", 8080, 2, "r3: policy of forward"},
    };
    return services;
}

std::string chain_ports() {
    std::string result;
    for (const auto& service : chain_services())
        result += fmt::format("{}{}/{}", result.empty() ? "" : ",", service.port, service.protocol);
    return result;
}

void build_chain(Lab& lab, const ChainOptions& options) {
    lab.host("src");
    for (const char* router : {"r1", "r2", "r3"}) lab.router(router);
    lab.host("dst");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"r2", "eth0", 2}, 2);
    lab.link({"r2", "eth1", 1}, {"r3", "eth0", 2}, 3);
    lab.link({"r3", "eth1", 1}, {"dst", "eth0", 2}, 4);
    lab.default_route("src", 1, 2);
    lab.default_route("r1", 2, 2);
    lab.route("r2", 1, 2, 1);
    lab.route("r2", 4, 3, 2);
    lab.default_route("r3", 3, 1);
    lab.default_route("dst", 4, 1);
    if (!options.destination) lab.ip("dst", {"addr flush dev eth0"});
    if (!options.firewalls) return;
    lab.rules("r1", Firewall::iptables_nft, kIptablesNft);
    lab.rules("r2", Firewall::iptables_legacy, kIptablesLegacy);
    lab.nft("r3", kNftables);
}

std::vector<int> observe_chain(const Lab& lab, int family,
                               const std::vector<ChainService>& services) {
    std::array<Capture, 3> behind{Capture(lab.netns("r2"), "eth0"),
                                  Capture(lab.netns("r3"), "eth0"),
                                  Capture(lab.netns("dst"), "eth0")};
    const auto send = [&](const std::string& protocol, int port) {
        send_plain({.netns = lab.netns("src"),
                    .source = "",
                    .destination = chain_destination(lab, family),
                    .protocol = protocol,
                    .port = port});
    };
    // The first packet of all resolves the neighbours, so that none of the others has to wait.
    const auto arrives = [&](int port) {
        send("udp", port);
        return eventually([&] { return behind.back().saw("udp", port); });
    };
    if (!arrives(kSentinel)) throw std::runtime_error("nothing arrives in the chain");
    for (const auto& service : services) send(service.protocol, service.port);
    const auto before = behind.back().packets().size();
    send("udp", kSentinel);
    eventually([&] {
        const auto& packets = behind.back().packets();
        return packets.size() > before && packets.back().port == kSentinel;
    });
    std::vector<int> passed;
    for (const auto& service : services) {
        int count = 0;
        for (auto& capture : behind) count += capture.saw(service.protocol, service.port) ? 1 : 0;
        passed.push_back(count);
    }
    return passed;
}

}  // namespace ksms::lab
