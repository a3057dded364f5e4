// SPDX-License-Identifier: BSD-2-Clause
// --tap netfilter: one pair of links a router, and the verdicts of tc.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>

#include "lab/capture.hpp"
#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

const std::vector<std::string> kNetfilter{"--tap", "netfilter"};

/// A document without what differs from one run to the next.
nlohmann::json without_chance(const Scan& result) {
    auto routers = result.field("routers");
    return {{"routers", routers},
            {"services", result.field("services")},
            {"destination_reached", result.field("destination_reached")},
            {"summary", result.field("summary")}};
}

Scan both(const Lab& lab, const std::string& source, const std::string& destination,
          const std::string& ports, std::vector<std::string> more = {}) {
    const auto tc = scan(lab, source, destination, ports, more);
    more.insert(more.end(), kNetfilter.begin(), kNetfilter.end());
    auto netfilter = scan(lab, source, destination, ports, more);
    INFO("tc:\n" << tc.text() << "\nnetfilter:\n" << netfilter.text());
    CHECK(tc.exit() == netfilter.exit());
    CHECK(without_chance(netfilter) == without_chance(tc));
    return netfilter;
}

/// @param truth  of observe_chain()
void check_as_plain(const Scan& result, const std::vector<int>& truth) {
    const auto& services = chain_services();
    for (std::size_t i = 0; i < services.size(); ++i) {
        const auto& [protocol, port, passes, how] = services[i];
        INFO(port << "/" << protocol << ": " << how);
        for (int at = 0; at <= std::min(truth[i], 2); ++at)
            CHECK(result.verdict(kRouters[static_cast<std::size_t>(at)], protocol, port) ==
                  (at < truth[i] ? "YES" : "NO"));
    }
}

TEST_CASE("netfilter taps: three firewalls, what plain packets met, and the same as tc") {
    Lab lab;
    build_chain(lab);
    const auto& services = chain_services();
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const auto truth = observe_chain(lab, family, services);
        const auto result =
            both(lab, chain_source(lab, family), chain_destination(lab, family), chain_ports());
        REQUIRE(result.exit() == 0);
        CHECK(result.count("unknown") == 0);
        check_as_plain(result, truth);
    }
}

TEST_CASE("netfilter taps: counted before raw, and behind mangle and nat POSTROUTING") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.rules("r1", Firewall::iptables_legacy,
              "*raw\n-A PREROUTING -p tcp --dport 23 -j DROP\nCOMMIT\n", 4);
    lab.rules("r1", Firewall::iptables_legacy,
              "*mangle\n-A POSTROUTING -p tcp --dport 24 -j DROP\nCOMMIT\n", 4);
    lab.rules("r2", Firewall::iptables_nft,
              "*nat\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination " +
                  lab.address(4, 4, 2) +
                  ":8080\n"
                  "-A POSTROUTING -p tcp --dport 22 -j SNAT --to-source " +
                  lab.address(4, 3, 1) + ":4000\nCOMMIT\n",
              4);
    const auto source = chain_source(lab, 4), destination = chain_destination(lab, 4);
    const auto result = both(lab, source, destination, "22,23,24,25,80");
    const auto raw = result.at("r1", "tcp", 23), mangle = result.at("r1", "tcp", 24);
    CHECK(raw["result"] == "NO");
    CHECK(raw["ingress"]["packets"] == 1);
    CHECK(raw["hook"] == "PREROUTING");
    CHECK(mangle["result"] == "NO");
    CHECK(mangle["egress"]["packets"] == 0);
    CHECK(result.result("tcp", 22) == "YES");
    CHECK(result.has_note("r2", "tcp", 80, "translated:" + destination + ":8080"));
    CHECK_FALSE(result.at("r2", "tcp", 22)["notes"].empty());
    CHECK(result.at("r2", "tcp", 25)["notes"].empty());
}

TEST_CASE("netfilter taps: a router that is the destination, and what it sends back") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.nft("r2", R"(table inet t {
        chain i {
            type filter hook input priority 0
            tcp dport 23 drop
            tcp dport 24 reject with tcp reset
            tcp dport 25 reject
        }
    })");
    for (const int family : {4, 6}) {
        INFO("IPv" << family);
        const auto result =
            both(lab, chain_source(lab, family), lab.address(family, 2, 2), "22,23,24,25,53/udp");
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "tcp", 23) == "NO");
        CHECK(result.has_note("r2", "tcp", 24, "rejected"));
        CHECK(result.has_note("r2", "tcp", 25, "rejected"));
    }
}

TEST_CASE("netfilter taps: a gateway that does not answer is no way out") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.ip("r2", {"route replace " + lab.subnet(4, 4) + " via " + lab.address(4, 3, 5)});
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", kNetfilter);
    CHECK(result.verdict("r2", "tcp", 22) == "UNKNOWN");
    CHECK(result.has_note("r2", "tcp", 22, "next-hop-missing"));
}

/// A second gateway for r3 on the destination's link, for what some rule leads there.
void lead_elsewhere(const Lab& lab, const std::string& rule) {
    lab.ip("r3", {"rule add pref 100 " + rule + " table 77",
                  "route add default via " + lab.address(4, 4, 5) + " table 77"});
}

TEST_CASE("netfilter taps: a mark leads to a gateway that nobody has") {
    // The second rule names no mark that could be asked about beforehand.
    const std::string rule = GENERATE("fwmark 7", "not fwmark 0/0xf");
    Lab lab;
    build_chain(lab, {.destination = false, .firewalls = false});
    lab.rules("r3", Firewall::iptables_nft,
              "*mangle\n-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 7\nCOMMIT\n", 4);
    lead_elsewhere(lab, rule);
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "80", kNetfilter);
    INFO(rule << "\n" << result.text());
    CHECK(result.at("r3", "tcp", 80)["egress"]["packets"] == 1);
    CHECK(result.verdict("r2", "tcp", 80) == "YES");
    CHECK(result.verdict("r3", "tcp", 80) == "UNKNOWN");
    CHECK(result.at("r3", "tcp", 80)["reason"] == "not_sent:next-hop-missing");
    CHECK(result.result("tcp", 80) == "UNKNOWN");
    // The router's own word: it asks for a gateway that does not answer.
    const auto asked = lab.in("r3", {"ip", "neigh", "show", "to", lab.address(4, 4, 5)});
    CHECK((asked.find("INCOMPLETE") != std::string::npos ||
           asked.find("FAILED") != std::string::npos));
}

TEST_CASE(
    "netfilter taps: translated to an address that nobody has, and to one that somebody has") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.host("other");
    const auto nat = [&](int port, int host) {
        return "-A PREROUTING -p tcp --dport " + std::to_string(port) +
               " -j DNAT --to-destination " + lab.address(4, 5, host) + "\n";
    };
    lab.link({"r3", "eth2", 1}, {"other", "eth0", 2}, 5);
    lab.rules("r3", Firewall::iptables_nft, "*nat\n" + nat(80, 5) + nat(81, 2) + "COMMIT\n", 4);
    // A neighbour that does not answer and is on none of these ways.
    lab.ip("r3", {"neigh add " + lab.address(4, 5, 6) + " dev eth2 nud failed"});
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,80,81", kNetfilter);
    INFO(result.text());
    CHECK(result.verdict("r3", "tcp", 80) == "UNKNOWN");
    CHECK(result.has_note("r3", "tcp", 80, "next-hop-missing"));
    CHECK(result.verdict("r3", "tcp", 81) == "YES");
    CHECK(result.result("tcp", 22) == "YES");
}

TEST_CASE("netfilter taps: isolated") {
    Lab lab;
    build_chain(lab);
    for (const int family : {4, 6})
        both(lab, chain_source(lab, family), chain_destination(lab, family), chain_ports(),
             {"--mode", "isolated"});
}

TEST_CASE("netfilter taps: what a router's own bridge passes on is not what the router forwards") {
    Lab lab;
    lab.host("src");
    lab.router("r1");
    lab.host("dst");
    // src - br0 of r2 - r1 - r2 - dst: a bridge that calls iptables, in a router of the same way
    lab.router("r2");
    lab.ip("r2", {"link add br0 type bridge", "link set br0 up"});
    lab.plug({"src", "eth1", 1}, "r2", "br0", 1);
    lab.plug({"r1", "eth0", 2}, "r2", "br0", 1);
    lab.link({"r1", "eth1", 1}, {"r2", "eth0", 2}, 2);
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.default_route("src", 1, 2);
    lab.default_route("r1", 2, 2);
    lab.default_route("dst", 3, 1);
    lab.ip("r2", {"route add " + lab.subnet(4, 1) + " via " + lab.address(4, 2, 1)});
    lab.sysctl("r2", "bridge/bridge-nf-call-iptables", "1");
    const auto result = both(lab, lab.address(4, 1, 1), lab.address(4, 3, 2), "22,53/udp");
    CHECK(result.verdict("r1", "tcp", 22) == "YES");
    CHECK(result.verdict("r2", "tcp", 22) == "YES");
    CHECK(result.at("r2", "tcp", 22)["ingress"]["packets"] == 1);
}

TEST_CASE("netfilter taps: one pair a router, shared by scans, gone with kill -9") {
    Lab lab;
    build_chain(lab, {.destination = false});
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    const auto before = full_state(lab);
    const auto slow =
        scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "22,25,8000-8999",
                       {"--rate", "300", "--tap", "netfilter", "-o", "/dev/null"});
    Child child(ksmsctl(lab, slow));
    const auto taps = [&] {
        const auto listed = run(ksmsctl(lab, {"tap", "list", "-j"}));
        const auto document = nlohmann::json::parse(listed.out);
        int links = 0;
        for (const auto& tap : document["taps"])
            links += tap["kind"] == "netfilter-ipv4" && tap["iface"] == "*" && tap["present"];
        return links;
    };
    REQUIRE(eventually([&] { return taps() == 6; }));
    const auto second =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,25", kNetfilter);
    INFO(second.text());
    CHECK(second.verdict("r1", "tcp", 22) == "YES");
    CHECK(second.at("r1", "tcp", 22)["ingress"]["packets"] == 1);
    CHECK(taps() == 6);
    child.signal(SIGKILL);
    child.wait();
    CHECK(eventually([&] { return difference(before, full_state(lab)).empty(); }));
}

/// The kernel's own word: what attaches them is one of its functions.
bool has_links() {
    std::ifstream symbols("/proc/kallsyms");
    for (std::string line; std::getline(symbols, line);)
        if (line.ends_with(" bpf_nf_link_attach")) return true;
    return false;
}

/// Datagrams from r2 to r3, one every 0.2 ms. Before other processes, because a router where
/// nothing is sent for some milliseconds is not in use.
class Busy {
public:
    explicit Busy(const Lab& lab)
        : socket_(listen_in(lab.netns("r2"), lab.address(4, 3, 1), "udp", 9)),
          receiver_(listen_in(lab.netns("r3"), lab.address(4, 3, 2), "udp", 9)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(9);
        ::inet_pton(AF_INET, lab.address(4, 3, 2).c_str(), &to.sin_addr);
        REQUIRE(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
        sender_ = std::jthread([this](const std::stop_token& stop) {
            constexpr timespec pause{0, 200'000};
            for (; !stop.stop_requested(); ::ppoll(nullptr, 0, &pause, nullptr))
                sent_ += ::send(socket_.get(), "x", 1, MSG_DONTWAIT) == 1 ? 1 : 0;
        });
        const sched_param first{.sched_priority = 1};
        ::pthread_setschedparam(sender_.native_handle(), SCHED_FIFO, &first);
        REQUIRE(eventually([this] { return sent_ > 10; }));
    }

private:
    ksms::Fd socket_, receiver_;
    std::atomic<int> sent_{0};
    std::jthread sender_;
};

TEST_CASE("netfilter taps: at a router that carries traffic, unasked") {
    Lab lab;
    build_chain(lab);
    const Busy busy(lab);
    const auto truth = observe_chain(lab, 4, chain_services());
    // Long enough to look at its taps.
    Child child(ksmsctl(lab, scan_arguments(chain_source(lab, 4), chain_destination(lab, 4),
                                            chain_ports() + ",8000-8099", {"--rate", "100"})));
    const std::set<std::string> wanted{has_links() ? "netfilter-ipv4" : "tcx"};
    CHECK(eventually([&] {
        std::set<std::string> found;
        const auto listed = run(ksmsctl(lab, {"tap", "list", "-j"}));
        const auto document = nlohmann::json::parse(listed.out);
        for (const auto& tap : document["taps"])
            if (tap["router"].get<std::string>() == lab.netns("r2")) found.insert(tap["kind"]);
        return found == wanted;
    }));
    const Scan result(lab, child.wait());
    INFO(result.text());
    CHECK(result.count("unknown") == 0);
    check_as_plain(result, truth);
}

TEST_CASE("netfilter taps: refused where the kernel has no such links, and nowhere else") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", kNetfilter);
    INFO(result.text());
    if (has_links()) {
        CHECK(result.exit() == 0);
        CHECK(result.result("tcp", 22) == "YES");
        return;
    }
    CHECK(result.exit() == 1);
    CHECK(result.error().find("Linux 6.4") != std::string::npos);
    CHECK(result.text().find("--tap tc") != std::string::npos);
    CHECK(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
}

TEST_CASE("netfilter taps: only a scan attaches them") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    CHECK(run(ksmsctl(lab, {"tap", "attach", "--tap", "netfilter", lab.netns("r1")})).exit == 2);
    CHECK(scan(lab, "10.0.0.1", "10.0.0.2", "22", {"--tap", "netfiltr"}).exit() == 2);
}

}  // namespace
