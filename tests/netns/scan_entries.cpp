// SPDX-License-Identifier: BSD-2-Clause
// Two namespaces own the source: the answer of each, of both together, and what follows from it.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "lab/capture.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/lab.hpp"
#include "lab/service.hpp"
#include "lab/two_sources.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

/// rb drops 22/tcp, and both of them 25/tcp.
struct DifferentAnswers : TwoSources {
    DifferentAnswers() {
        const auto drop = [](const std::string& ports) {
            return "*filter\n-A FORWARD -p tcp -m multiport --dports " + ports +
                   " -j DROP\nCOMMIT\n";
        };
        rules("ra", Firewall::iptables_legacy, drop("25"));
        rules("rb", Firewall::iptables_legacy, drop("22,25"));
    }
};

const json& of_entry(const json& document, const std::string& name) {
    static const json none;
    for (const auto& entry : document["entries"])
        if (entry["entry"] == name) return entry;
    return none;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("entries: each has its own answer, and the scan's status follows from all of them") {
    DifferentAnswers lab;
    const auto ask = [&](const std::vector<std::string>& more) {
        return scan(lab, lab.shared(), lab.target(), "22,23,25", more);
    };
    const auto result = ask({});
    INFO(result.text());
    CHECK(result.exit() == 0);
    CHECK(result.result("tcp", 22) == "MIXED");
    CHECK(result.result("tcp", 23) == "YES");
    CHECK(result.result("tcp", 25) == "NO");
    CHECK(result.end("tcp", 25)["stopped_at"].is_null());
    CHECK(
        result.field("summary") ==
        json{{"services", 3}, {"routers", 3}, {"yes", 1}, {"no", 1}, {"unknown", 0}, {"mixed", 1}});
    const auto &a = of_entry(result.document(), lab.netns("a")),
               &b = of_entry(result.document(), lab.netns("b"));
    CHECK(a["services"][0]["result"] == "YES");
    CHECK(b["services"][0]["stopped_at"] == lab.netns("rb"));
    CHECK(b["summary"] ==
          json{{"services", 3}, {"routers", 2}, {"yes", 1}, {"no", 2}, {"unknown", 0}});
    const auto valid = run({.arguments = {"python3", KSMS_SOURCE_DIR "/tests/schema/validate", "-"},
                            .input = result.document().dump()});
    INFO(valid.out << valid.err);
    CHECK(valid.exit == 0);

    const auto only22 = [&](const std::string& fail_on) {
        return scan(lab, lab.shared(), lab.target(), "22", {"--fail-on", fail_on}).exit();
    };
    CHECK(only22("no") == 3);
    CHECK(only22("yes") == 3);
    CHECK(only22("unknown") == 0);
    const auto alone =
        scan(lab, lab.shared(), lab.target(), "22", {"--source-netns", lab.netns("a")});
    CHECK(alone.result("tcp", 22) == "YES");
    CHECK(alone.field("entries") == json{lab.netns("a")});
    CHECK_FALSE(alone.field("summary").contains("mixed"));
}

TEST_CASE("entries: a router of its own answers for each entry whose way enters it") {
    DifferentAnswers lab;
    lab.rules("m", Firewall::iptables_legacy,
              "*filter\n-A FORWARD -p tcp --dport 24 -j DROP\nCOMMIT\n");
    const auto result =
        scan(lab, lab.shared(), lab.target(), "22,23,24,25", {"--mode", "isolated"});
    INFO(result.text());
    CHECK(result.result("tcp", 22) == "MIXED");
    CHECK(result.result("tcp", 23) == "YES");
    CHECK(result.result("tcp", 24) == "NO");
    CHECK(result.end("tcp", 24)["stopped_at"] == lab.netns("m"));
    CHECK(result.result("tcp", 25) == "NO");
    for (const char* entry : {"a", "b"}) CHECK(result.verdict("m", "tcp", 24, entry) == "NO");
}

TEST_CASE("entries: text has a table for each, explain and jobs tell them apart") {
    DifferentAnswers lab;
    const auto arguments = [&](std::vector<std::string> command) {
        for (const auto& each : {std::string("-s"), lab.shared(), std::string("-d"), lab.target(),
                                 std::string("-P"), std::string("22,23")})
            command.push_back(each);
        return command;
    };
    const auto text = run(ksmsctl(lab, arguments({"scan"})));
    INFO(text.out << text.err);
    CHECK(has(text.out, "from " + lab.netns("a") + "\n"));
    CHECK(has(text.out, "from " + lab.netns("b") + "\n"));
    CHECK(has(text.out, "1 passes, 1 mixed"));
    CHECK(has(text.out, "--source-netns " + lab.netns("b")));

    const auto explained = run(ksmsctl(lab, arguments({"explain", "-j"})));
    INFO(explained.out);
    const auto document = json::parse(explained.out);
    CHECK(document["services"][0]["result"] == "MIXED");
    CHECK(document["services"][0]["entries"][1]["services"][0]["result"] == "NO");
    CHECK(document["summary"]["mixed"] == 1);
    CHECK(run({.arguments = {"python3", KSMS_SOURCE_DIR "/tests/schema/validate", "-"},
               .input = explained.out})
              .exit == 0);
    const auto page = run(ksmsctl(lab, arguments({"explain"})));
    INFO(page.out);
    CHECK(has(page.out, "MIXED   YES from " + lab.netns("a")));

    ksms::lab::Service service(lab);
    service.start();
    for (const char* type : {"fast", "detailed"}) {
        const auto job = service.job(
            arguments({"submit", "--wait", "--fail-on", "no", "--id", type, "--type", type}));
        INFO(job.out << job.err);
        CHECK(job.exit == 3);
        CHECK(has(job.out, lab.netns("b")));
    }
    CHECK(has(service.job({"show", "fast"}).out, "from " + lab.netns("b") + "\n"));
    CHECK(service.metric("ksms_verdicts_total{result=\"mixed\"}") == 2);
    CHECK(service.stop().exit == 0);
}

TEST_CASE("entries: a router that both pass does not take them for one connection") {
    TwoSources lab;
    lab.rules(
        "m", Firewall::iptables_legacy,
        "*nat\n-A PREROUTING -i eth0 -p udp --dport 53 -j REDIRECT --to-ports 5353\nCOMMIT\n");
    const auto arrives = [&](const std::string& node) {
        Capture at_target(lab.netns("dst"), "eth0");
        const int port = node == "a" ? 5001 : 5002;
        send_plain({.netns = lab.netns(node),
                    .source = lab.shared(),
                    .destination = lab.target(),
                    .protocol = "udp",
                    .port = 53,
                    .source_port = port});
        return eventually([&] { return at_target.saw("udp", 53); }, milliseconds{100});
    };
    REQUIRE(eventually([&] { return arrives("b"); }));
    REQUIRE(!arrives("a"));
    const auto result = scan(lab, lab.shared(), lab.target(), "53/udp");
    INFO(result.text());
    CHECK(result.verdict("m", "udp", 53, "a") != "YES");
    CHECK(result.verdict("m", "udp", 53, "b") == "YES");
    CHECK(result.end("udp", 53, "b")["result"] == "YES");
}
