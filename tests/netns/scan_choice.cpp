// SPDX-License-Identifier: BSD-2-Clause
// --router and --entry-only leave routers out of the answer, never out of the truth; entries that
// have no way are named.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/two_sources.hpp"

namespace {

using namespace ksms::lab;

TEST_CASE("choice: END is every router's answer, also of those left out") {
    Lab lab;
    build_chain(lab);
    for (const auto& [more, shown] :
         {std::pair(std::vector<std::string>{"--router", lab.netns("r1")}, "r1"),
          std::pair(std::vector<std::string>{"--router", lab.netns("r3")}, "r3"),
          std::pair(std::vector<std::string>{"--entry-only"}, "r1"),
          std::pair(std::vector<std::string>{"--entry-only", "--router", lab.netns("r1")}, "r1")}) {
        const auto result =
            scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,25,135,993", more);
        INFO(shown << "\n" << result.text());
        REQUIRE(result.exit() == 0);
        CHECK(result.field("routers").size() == 1);
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.verdict(shown, "tcp", 22) == "YES");
        CHECK(result.end("tcp", 25)["stopped_at"] == lab.netns("r2"));
        CHECK(result.end("tcp", 135)["stopped_at"] == lab.netns("r1"));
        CHECK(result.end("tcp", 993)["stopped_at"] == lab.netns("r3"));
        for (const int port : {25, 135, 993}) {
            CHECK(result.result("tcp", port) == "NO");
            CHECK(result.end("tcp", port)["reason"] == "NETFILTER_DROP");
        }
    }
    const auto neither = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22",
                              {"--entry-only", "--router", lab.netns("r2")});
    INFO(neither.text());
    CHECK(neither.exit() == 5);
    CHECK(neither.error().find("first") != std::string::npos);
}

/// And c, which has no link.
struct Entries : TwoSources {
    Entries() { host("c"); }
};

TEST_CASE("choice: of several entries, one whose way misses the named router has an answer") {
    Entries lab;
    const auto result = scan(lab, lab.shared(), lab.target(), "22", {"--router", lab.netns("ra")});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.result("tcp", 22) == "YES");
    CHECK(result.verdict("ra", "tcp", 22, "a") == "YES");
    CHECK(result.field("routers").size() == 1);
}

TEST_CASE("choice: an entry without a way is named, the others are judged") {
    Entries lab;
    lab.ip("c", {"addr add " + lab.shared() + "/32 dev lo"});
    const auto result = scan(lab, lab.shared(), lab.target(), "22");
    INFO(result.text());
    CHECK(result.verdict("ra", "tcp", 22, "a") == "YES");
    CHECK(result.verdict("rb", "tcp", 22, "b") == "YES");
    CHECK(result.field("warnings").dump().find(lab.netns("c") + " has no route") !=
          std::string::npos);
    CHECK(result.outcome().err.find(lab.netns("c") + " has no route") != std::string::npos);
}

TEST_CASE("choice: --entry-only shows the router that is the first for this service") {
    // src reaches dst by ra and m; what is for port 80 by m alone.
    Lab lab;
    for (const char* name : {"src", "dst"}) lab.host(name);
    for (const char* name : {"ra", "m"}) lab.router(name);
    lab.link({"src", "eth1", 1}, {"ra", "eth0", 2}, 1);
    lab.link({"ra", "eth1", 1}, {"m", "eth0", 2}, 2);
    lab.link({"src", "eth2", 1}, {"m", "eth1", 2}, 3);
    lab.link({"m", "eth2", 1}, {"dst", "eth0", 2}, 4);
    lab.default_route("src", 1, 2);
    lab.default_route("ra", 2, 2);
    lab.default_route("m", 2, 1);
    lab.default_route("dst", 4, 1);
    lab.ip("src", {"route add default via " + lab.address(4, 3, 2) + " table 100",
                   "rule add pref 50 ipproto tcp dport 80 lookup 100"});
    const auto result =
        scan(lab, lab.address(4, 1, 1), lab.address(4, 4, 2), "22,80", {"--entry-only"});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.verdict("ra", "tcp", 22) == "YES");
    CHECK(result.verdict("ra", "tcp", 80) == "-");
    CHECK(result.verdict("m", "tcp", 80) == "YES");
    CHECK(result.verdict("m", "tcp", 22) == "-");
    CHECK(result.count("yes") == 2);
}

TEST_CASE("choice: interfaces stand also where no service came by") {
    Lab lab;
    build_chain(lab);
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "25");
    INFO(result.text());
    const auto rows = result.field("routers");
    REQUIRE(rows.size() == 3);
    for (const auto& row : rows) {
        CHECK(row["ingress_iface"] == "eth0");
        CHECK(row["iface"] == "eth1");
    }
}

}  // namespace
