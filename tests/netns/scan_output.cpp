// SPDX-License-Identifier: BSD-2-Clause
// What a person reads, what a script reads, and what bpftool reads while a scan runs.
#include <fmt/format.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

/// A wide matrix is folded by router: all its lines that begin so.
std::vector<std::string> words_of_lines(const std::string& text, const std::string& beginning) {
    std::istringstream lines(text);
    std::vector<std::string> words;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(beginning)) continue;
        std::istringstream stream(line);
        for (std::string word; stream >> word;) words.push_back(word);
    }
    return words;
}

Outcome scan_as_text(const Lab& lab, const std::string& ports) {
    return run(ksmsctl(
        lab, {"scan", "-s", chain_source(lab, 4), "-d", chain_destination(lab, 4), "-P", ports}));
}

TEST_CASE("text: a row a service, a column a router, the end and why") {
    Lab lab;
    build_chain(lab);
    const auto outcome = scan_as_text(lab, "22,25,443,8080-8083,53/udp");
    INFO(outcome.out << outcome.err);
    REQUIRE(outcome.exit == 0);
    const auto ssh = words_of_lines(outcome.out, "22/tcp");
    CHECK(std::count(ssh.begin(), ssh.end(), "YES") == 4);
    const auto smtp = words_of_lines(outcome.out, "25/tcp");
    CHECK(std::count(smtp.begin(), smtp.end(), "YES") == 1);
    CHECK(std::count(smtp.begin(), smtp.end(), "NO") == 2);
    CHECK(std::count(smtp.begin(), smtp.end(), "-") == 1);
    CHECK(outcome.out.find("(NETFILTER_DROP)") != std::string::npos);
    CHECK_FALSE(words_of_lines(outcome.out, "8081-8083/tcp").empty());
    CHECK(outcome.out.find("2 pass, 6 stop") != std::string::npos);
    CHECK(outcome.out.find('\x1b') == std::string::npos);
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 100);
}

TEST_CASE("text: as wide as the terminal, or as COLUMNS, 100 columns where there is no terminal") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    // "A (src) -> B   path   dscp …   job …   N ms": one line where it has room.
    const auto command =
        ksmsctl(lab, {"scan", "-s", chain_source(lab, 4), "-d", chain_destination(lab, 4), "-P",
                      "22", "--job", std::string(50, 'j')});
    const auto head = [&](const std::string& columns, int terminal) {
        auto again = command;
        again.environment["COLUMNS"] = columns;
        if (terminal > 0) {
            std::string line = fmt::format("stty cols {}; exec", terminal);
            for (const auto& word : command.arguments) line += " " + word;
            again.arguments = {"script", "-qec", line, "/dev/null"};
        }
        const auto outcome = run(again);
        INFO(outcome.out << outcome.err);
        REQUIRE(outcome.exit == 0);
        // A terminal ends its lines with \r\n; what was said before it was cleared.
        const auto begin = outcome.out.find(chain_source(lab, 4) + " (");
        REQUIRE(begin != std::string::npos);
        return outcome.out.substr(begin, outcome.out.find_first_of("\r\n", begin) - begin);
    };
    CHECK(head("", 180).ends_with(" ms"));
    CHECK(head("", 180).size() > 100);
    CHECK(head("70", 180).size() <= 70);
    CHECK(head("170", 80).size() > 100);
    CHECK(head("", 80).size() <= 80);
    CHECK(head("", 0).size() <= 100);
    CHECK(head("180", 0).size() <= 100);
}

TEST_CASE("JSON: exactly one document, services in the order asked, once each") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto result = scan(lab, chain_source(lab, 4), chain_destination(lab, 4),
                             "443,22, ,T:80,22,U:53,9/tcp,telnet");
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    const auto& document = result.document();
    CHECK(document["schema"] == "ksms.scan/1");
    std::vector<std::string> order;
    for (const auto& service : document["services"])
        order.push_back(fmt::format("{}/{}", service["port"].get<int>(),
                                    service["protocol"].get<std::string>()));
    CHECK(order ==
          std::vector<std::string>{"443/tcp", "22/tcp", "80/tcp", "53/udp", "9/tcp", "23/udp"});
    CHECK(document["summary"]["services"] == 6);
    CHECK(document["summary"]["yes"] == 6);
    CHECK(document["routers"][0]["iface"] == "eth1");
    CHECK(document["routers"][0]["ingress_iface"] == "eth0");
    CHECK(document["routers"][0]["entry"] == lab.netns("src"));
    CHECK(document["routers"][2]["hop"] == 3);
}

TEST_CASE("the option -o writes the document to a file, and nothing but it") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    const auto file = lab.directory() + "/scan.json";
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", {"-o", file});
    INFO(result.text());
    REQUIRE(result.exit() == 0);
    CHECK(result.outcome().out.empty());
    std::ifstream stream(file);
    const auto document = json::parse(stream, nullptr, false);
    REQUIRE(document.is_object());
    CHECK(document["summary"]["yes"] == 1);
}

TEST_CASE("the option --fail-on ends with 3, and the document is there") {
    Lab lab;
    build_chain(lab);
    const auto result =
        scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22,25", {"--fail-on", "no"});
    INFO(result.text());
    CHECK(result.exit() == 3);
    CHECK(result.result("tcp", 25) == "NO");
    CHECK(scan(lab, chain_source(lab, 4), chain_destination(lab, 4), "22", {"--fail-on", "no"})
              .exit() == 0);
}

TEST_CASE("the option --dry-run sends nothing and leaves no trace") {
    Lab lab;
    build_chain(lab);
    const auto before = full_state(lab);
    const auto outcome = run(ksmsctl(lab, {"scan", "--dry-run", "-s", chain_source(lab, 4), "-d",
                                           chain_destination(lab, 4), "-P", "22,53/udp"}));
    INFO(outcome.out << outcome.err);
    REQUIRE(outcome.exit == 0);
    for (const char* router : {"r1", "r2", "r3"})
        CHECK(outcome.out.find(lab.netns(router)) != std::string::npos);
    auto after = full_state(lab);
    after["pins"] = before.at("pins");
    for (auto& [what, is] : after)
        if (what.starts_with("entries of") || what.starts_with("maps in")) is = before.at(what);
    CHECK(difference(before, after).empty());
}

TEST_CASE("bpftool reads the leases and the counters of a scan that runs") {
    Lab lab;
    build_chain(lab);
    auto arguments = scan_arguments(chain_source(lab, 4), chain_destination(lab, 4), "22,8000-8399",
                                    {"--rate", "200", "--dscp", "45", "--job", "readable"});
    Child child(ksmsctl(lab, arguments));
    const auto find = [&](const char* map, const std::function<bool(const json&)>& wanted) {
        const auto entries = json::parse(dump_map(lab, map), nullptr, false);
        return std::ranges::any_of(entries, [&](const json& entry) {
            return entry.contains("formatted") && wanted(entry["formatted"]);
        });
    };
    CHECK(eventually([&] {
        return find("leases", [&](const json& entry) {
            return entry["key"] == 45 && entry["value"]["job"] == "readable" &&
                   entry["value"]["owner_pid"] == child.pid();
        });
    }));
    CHECK(eventually([&] {
        return find("counters", [&](const json& entry) {
            return entry["key"]["port"] == 22 && entry["key"]["dscp"] == 45 &&
                   entry["value"]["packets"] >= 1;
        });
    }));
    child.signal(SIGINT);
    CHECK(child.wait().exit == 130);
}

}  // namespace
