// SPDX-License-Identifier: BSD-2-Clause
// Chains that are named like commands, and very large rulesets.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/lab.hpp"

using namespace ksms::lab;
using nlohmann::json;

namespace {

class OddChain {
public:
    OddChain() {
        lab.host("src");
        lab.router("r1");
        lab.host("dst");
        lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
        lab.link({"r1", "eth1", 1}, {"dst", "eth0", 2}, 2);
        lab.default_route("src", 1, 2);
        lab.default_route("dst", 2, 1);
    }
    /// An nft script cannot name this chain, its JSON can. A chain x exists too: a script that
    /// names a missing chain does nothing at all.
    void drop_in(const std::string& chain) const {
        const json named{{"family", "inet"}, {"table", "t"}, {"chain", chain}};
        const json chain_of{{"family", "inet"},  {"table", "t"},      {"name", chain},
                            {"type", "filter"},  {"hook", "forward"}, {"prio", 0},
                            {"policy", "accept"}};
        auto rule = named;
        rule["expr"] = {{{"match",
                          {{"op", "=="},
                           {"left", {{"payload", {{"protocol", "tcp"}, {"field", "dport"}}}}},
                           {"right", 25}}}},
                        {{"drop", nullptr}}};
        const json ruleset{
            {"nftables",
             {{{"add", {{"table", {{"family", "inet"}, {"name", "t"}}}}}},
              {{"add", {{"chain", chain_of}}}},
              {{"add", {{"chain", {{"family", "inet"}, {"table", "t"}, {"name", "x"}}}}}},
              {{"add", {{"rule", rule}}}}}}};
        must({.arguments = {"nft", "-j", "-f", "-"},
              .netns = lab.netns("r1"),
              .input = ruleset.dump()});
    }
    [[nodiscard]] Outcome explain(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> arguments{
            "explain", "-s", lab.address(4, 1, 1), "-d", lab.address(4, 2, 2), "-P", "25"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run(ksmsctl(lab, arguments));
    }
    Lab lab;
};

}  // namespace

TEST_CASE("odd names: a chain named like an nft command") {
    OddChain bench;
    const std::string name =
        GENERATE("x; add table inet taken; list table inet t", "x\x1b[2J\x1b[31mpasses");
    bench.drop_in(name);
    const auto document = bench.explain({"-j"});
    INFO(document.err << document.out);
    const auto read = json::parse(document.out, nullptr, false);
    REQUIRE(read.is_object());
    const auto& hops = read["services"][0]["hops"];
    const auto found = std::ranges::find_if(
        hops, [&](const json& hop) { return hop["name"] == bench.lab.netns("r1"); });
    REQUIRE(found != hops.end());
    CHECK((*found)["rule"]["chain"] == name);
    CHECK((*found)["rule"]["number"] == 1);
    CHECK(bench.lab.in("r1", {"nft", "list", "tables"}).find("taken") == std::string::npos);

    const auto text = bench.explain();
    INFO(text.out);
    CHECK(text.out.find("chain x") != std::string::npos);
    CHECK(text.out.find('\x1b') == std::string::npos);
    CHECK(bench.lab.in("r1", {"nft", "list", "tables"}).find("taken") == std::string::npos);
}

TEST_CASE("odd names: the caller's PATH does not select the tools") {
    OddChain bench;
    bench.lab.nft("r1",
                  "table inet t { chain f { type filter hook forward priority 0\n"
                  "tcp dport 25 drop\n}\n}\n");
    const auto marker = bench.lab.directory() + "/called";
    const auto fake = bench.lab.directory() + "/nft";
    must({.arguments = {"sh", "-c",
                        fmt::format("printf '#!/bin/sh\\n: >{}\\n' >{} && chmod 755 {}", marker,
                                    fake, fake)}});
    auto command = ksmsctl(bench.lab,
                           {"explain", "-j", "-s", bench.lab.address(4, 1, 1), "-d",
                            bench.lab.address(4, 2, 2), "-P", "25"},
                           {{"PATH", bench.lab.directory() + ":/usr/sbin:/usr/bin:/sbin:/bin"}});
    const auto outcome = run(command);
    INFO(outcome.err << outcome.out);
    CHECK(outcome.out.find("tcp dport 25 drop") != std::string::npos);
    CHECK(run({.arguments = {"test", "-e", marker}}).exit == 1);
}
