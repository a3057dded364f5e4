// SPDX-License-Identifier: BSD-2-Clause
// The network changes in the middle of a scan: an error or UNKNOWN with the reason, never a hang,
// never exit 0 with every verdict UNKNOWN; paths that end nowhere end in a message.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;

/// Where packets flow a scan would take TCX links, which nobody can remove with tc.
const Environment kFilters{{"KSMS_ATTACH", "clsact"}};

void check_change(const std::function<void(Lab&)>& change) {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    REQUIRE(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22").exit() == 0);
    auto before = quick_state(lab);
    Child child(ksmsctl(lab,
                        scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8999",
                                       {"--rate", "250"}),
                        kFilters));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    change(lab);
    REQUIRE(child.ended(kPatience));
    const Scan result(lab, child.wait());
    INFO(result.text().substr(0, 3000));
    REQUIRE(result.document().is_object());
    CHECK((result.exit() == 0 || result.exit() == 1));
    if (result.document().contains("summary")) {
        const auto& summary = result.field("summary");
        CHECK((summary["unknown"] != 1000 || result.exit() == 1));
        const auto services_ = result.field("services");
        for (const auto& service : services_)
            if (service["result"] == "UNKNOWN") REQUIRE_FALSE(service["reason"].is_null());
    }
    auto after = quick_state(lab);
    for (const auto& [what, is] : before)
        if (!after.contains(what)) after[what] = is;
    CHECK(difference(before, after) == "");
}

TEST_CASE("halfway: the source's link goes down") {
    check_change([](Lab& lab) { lab.ip("src", {"link set eth1 down"}); });
}

TEST_CASE("halfway: a link between two routers goes down") {
    check_change([](Lab& lab) { lab.ip("r2", {"link set eth1 down"}); });
}

TEST_CASE("halfway: a link is deleted") {
    check_change([](Lab& lab) { lab.ip("r2", {"link del eth1"}); });
}

TEST_CASE("halfway: a router is deleted") {
    check_change([](Lab& lab) { lab.remove("r2"); });
}

TEST_CASE("halfway: the source is deleted") {
    check_change([](Lab& lab) { lab.remove("src"); });
}

TEST_CASE("halfway: somebody removes the taps") {
    check_change([](Lab& lab) {
        lab.in("r2", {"tc", "qdisc", "del", "dev", "eth0", "clsact"});
        lab.in("r2", {"tc", "qdisc", "del", "dev", "eth1", "clsact"});
    });
}

TEST_CASE("taps that somebody removed are named, and nothing is judged by them") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    Child child(ksmsctl(lab,
                        scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8999",
                                       {"--rate", "250"}),
                        kFilters));
    REQUIRE(eventually([&] { return probes_seen(lab) > 0; }));
    lab.in("r2", {"tc", "qdisc", "del", "dev", "eth1", "clsact"});
    const Scan result(lab, child.wait());
    INFO(result.text().substr(0, 3000));
    REQUIRE(result.document().contains("summary"));
    CHECK(result.count("no") == 0);
    CHECK(result.outcome().err.find("eth1") != std::string::npos);
}

Scan short_scan(const Lab& lab) {
    return scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22");
}

/// A scan of some seconds over the chain, and what is done while it runs.
Scan while_it_runs(const Lab& lab, const std::function<void()>& what,
                   const std::vector<std::string>& more = {},
                   const Environment& environment = kFilters) {
    auto arguments = scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8999",
                                    {"--rate", "300"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    Child child(ksmsctl(lab, arguments, environment));
    REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
    what();
    return {lab, child.wait()};
}

TEST_CASE("an interface that no probe needs goes away: everything is judged, the scan is partial") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.ip("r2", {"link add spare type veth peer name spare2", "link set spare up"});
    const auto result = while_it_runs(lab, [&] { lab.ip("r2", {"link del spare"}); });
    INFO(result.text().substr(0, 3000));
    CHECK(result.exit() == 0);
    CHECK(result.count("yes") == 1000);
    CHECK(result.field("state") == "partial");
    CHECK(result.field("warnings").dump().find("spare") != std::string::npos);
}

TEST_CASE("taps that are detached while they count are named, and nothing is lost by them") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    for (const char* router : {"r1", "r2"})
        REQUIRE(run(ksmsctl(lab, {"tap", "attach", lab.netns(router)})).exit == 0);
    const auto result = while_it_runs(
        lab, [&] { REQUIRE(run(ksmsctl(lab, {"tap", "detach", lab.netns("r2")})).exit == 0); }, {},
        {{"KSMS_DROPS", "off"}});
    INFO(result.text().substr(0, 3000));
    CHECK(result.field("state") == "partial");
    CHECK(result.field("warnings").dump().find("detached") != std::string::npos);
    CHECK(result.count("no") == 0);
    CHECK(result.count("unknown") > 0);
    const auto services = result.field("services");
    for (const auto& service : services) {
        if (service["result"] != "UNKNOWN") continue;
        REQUIRE(service["reason"] == "not_sent:taps-gone");
        REQUIRE(service["why"].dump().find(lab.netns("r2")) != std::string::npos);
    }
    CHECK(result.verdict("r1", "tcp", 8999) == "YES");
    CHECK(result.verdict("r3", "tcp", 8999) == "YES");
    CHECK(run(ksmsctl(lab, {"tap", "detach", lab.netns("r1")})).exit == 0);
}

TEST_CASE("the hint of a partial scan follows the reason") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    // Without drops no single packet is followed, which needs no taps.
    auto environment = kFilters;
    environment.insert({"KSMS_DROPS", "off"});
    const auto hint_of = [&](const std::vector<std::string>& more, const auto& what) {
        auto arguments =
            scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "8000-8999", more);
        std::erase(arguments, "-j");
        Child child(ksmsctl(lab, arguments, environment));
        REQUIRE(eventually([&] { return !active_scans(lab).empty(); }));
        what();
        const auto out = child.wait().out;
        const auto at = out.find("hint:");
        return at == std::string::npos ? out : out.substr(at);
    };
    CHECK(hint_of({"--rate", "200", "--deadline", "3"}, [] {}).find("--deadline") !=
          std::string::npos);
    const auto removed = hint_of({"--rate", "300"}, [&] {
        for (const char* interface : {"eth0", "eth1"})
            lab.in("r3", {"tc", "qdisc", "del", "dev", interface, "clsact"});
    });
    INFO(removed);
    CHECK(removed.find("changed on the way") != std::string::npos);
    CHECK(removed.find("--deadline") == std::string::npos);
}

TEST_CASE("pace: what arrived counts in the progress while others are still to be sent") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    auto command = ksmsctl(lab, {});
    // script(1) gives it a terminal, for the progress line.
    command.arguments = {"script", "-qec",
                         command.arguments.front() + " scan -s " + chain_source(lab, 4) + " -d " +
                             chain_destination(lab, 4) + " -P 8001-8300 --rate 150",
                         "/dev/null"};
    const auto out = run(command).out;
    INFO(out);
    REQUIRE(out.find(" of 300 accounted for") != std::string::npos);
    bool counted = false;
    for (auto at = out.find(" of 300 accounted for"); at != std::string::npos;
         at = out.find(" of 300 accounted for", at + 1)) {
        const auto digits = out.find_last_not_of("0123456789", at - 1) + 1;
        const auto accounted = std::stoi(out.substr(digits, at - digits));
        counted |= accounted > 0 && accounted < 290;
    }
    CHECK(counted);
}

TEST_CASE("pace: the last probe's interval is not waited for, the others' are") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    REQUIRE(short_scan(lab).exit() == 0);
    /// The probes' time, and whether it was that of their intervals and no more: it is more where
    /// the machine is busy, but not always a whole interval.
    const auto takes = [&](const char* ports, const char* rate, int intervals, int interval) {
        return eventually([&] {
            const auto result =
                scan(lab, chain_source(lab, 4), chain_destination(lab, 4), ports, {"--rate", rate});
            INFO(result.text());
            REQUIRE(result.result("tcp", 22) == "YES");
            const auto probe = result.field("timing_ms")["probe"].get<double>();
            REQUIRE(probe > intervals * interval - 100);
            return probe < (intervals + 1) * interval - 100;
        });
    };
    CHECK(takes("22", "1", 0, 1000));
    CHECK(takes("22,80,443", "2", 2, 500));
}

TEST_CASE("dead ends: a routing loop ends, and is named") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.ip("r2",
           {"route replace default via " + lab.address(4, 2, 1), "route del " + lab.subnet(4, 4)});
    const auto result = short_scan(lab);
    INFO(result.text());
    CHECK_FALSE(result.outcome().timed_out);
    CHECK((result.outcome().err + result.outcome().out).find("loop") != std::string::npos);
    // It goes to and fro until its TTL is used up: that router says NO, the other passed it on.
    CHECK(result.result("tcp", 22) == "NO");
    const auto end = result.end("tcp", 22)["stopped_at"];
    REQUIRE((end == lab.netns("r1") || end == lab.netns("r2")));
    const char* stops = end == lab.netns("r1") ? "r1" : "r2";
    CHECK(result.verdict(stops, "tcp", 22) == "NO");
    CHECK(result.verdict(end == lab.netns("r1") ? "r2" : "r1", "tcp", 22) == "YES");
    CHECK(result.at(stops, "tcp", 22)["reason"] == "IP_INHDR");
    const auto rows = result.field("routers");
    CHECK(rows.size() == 2);
}

TEST_CASE("dead ends: no route at a router is its NO") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.ip("r2", {"route del " + lab.subnet(4, 4)});
    const auto result = short_scan(lab);
    INFO(result.text());
    CHECK(result.exit() == 0);
    CHECK(result.verdict("r1", "tcp", 22) == "YES");
    CHECK(result.verdict("r2", "tcp", 22) == "NO");
    CHECK(result.at("r2", "tcp", 22)["reason"] == "IP_INNOROUTES");
}

TEST_CASE("dead ends: a blackhole is a NO without a reason of the kernel's") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.ip("r2", {"route replace blackhole " + lab.subnet(4, 4)});
    const auto result = short_scan(lab);
    INFO(result.text());
    CHECK(result.verdict("r2", "tcp", 22) == "NO");
    CHECK(result.at("r2", "tcp", 22)["reason"].is_null());
}

TEST_CASE("dead ends: forwarding is off") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.sysctl("r2", "ipv4/ip_forward", "0");
    const auto result = short_scan(lab);
    INFO(result.text());
    CHECK(result.result("tcp", 22) != "YES");
    CHECK_FALSE((result.outcome().err + result.outcome().out).empty());
}

TEST_CASE("dead ends: the reverse path filter is a NO by its name") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.ip("r2", {"route replace blackhole " + lab.subnet(4, 1)});
    lab.sysctl("r2", "ipv4/conf/all/rp_filter", "1");
    const auto result = short_scan(lab);
    INFO(result.text());
    CHECK(result.verdict("r2", "tcp", 22) == "NO");
    CHECK(result.at("r2", "tcp", 22)["reason"] == "IP_RPFILTER");
}

TEST_CASE("dead ends: a stranger's TC program that drops at a router is a NO") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    lab.in("r2", {"tc", "qdisc", "add", "dev", "eth0", "clsact"});
    // Classic BPF over Ethernet and IPv4: destination port 22 is TC_ACT_SHOT, others TC_ACT_UNSPEC.
    lab.in("r2", {"tc", "filter", "add", "dev", "eth0", "ingress", "prio", "1", "bpf", "da",
                  "bytecode", "4,40 0 0 36,21 0 1 22,6 0 0 2,6 0 0 4294967295,"});
    const auto result = short_scan(lab);
    INFO(result.text());
    CHECK(result.verdict("r2", "tcp", 22) == "NO");
}

}  // namespace
