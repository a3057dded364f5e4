// SPDX-License-Identifier: BSD-2-Clause
// A detailed analysis as text and as a document.
#include "output/explain.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "output/layout.hpp"
#include "reports.hpp"

using namespace ksms;

namespace {

FirewallRule rule(const char* chain, const char* verdict, const char* text) {
    FirewallRule made;
    made.firewall = Firewall::iptables_legacy;
    made.family = "ip";
    made.table = "filter";
    made.chain = chain;
    made.number = 2;
    made.verdict = verdict;
    made.text = text;
    made.hook = "FORWARD";
    return made;
}

HookReport hook(const char* name, Passage passage) {
    HookReport made;
    made.hook = name;
    made.passage = passage;
    return made;
}

HopReport stopping_hop() {
    HopReport hop;
    hop.name = "br-gw";
    hop.entry = "ts-hq";
    hop.hop = 1;
    hop.answer.result = Verdict::no;
    hop.drop = {"NETFILTER_DROP", "nf_hook_slow", "FORWARD"};
    hop.ingress_iface = "eth1";
    RouteChoice route;
    route.type = "unicast";
    route.priority = 100;
    route.selector = "from all ipproto tcp dport 25";
    route.table = "77";
    route.prefix = "10.2.0.0/16";
    route.next_hop = "10.9.0.2";
    route.device = "wg0";
    hop.route = route;
    auto in = hook("ingress", Passage::passed), out = hook("egress", Passage::not_reached);
    in.device = "eth1";
    in.packets = 1;
    in.bytes = 60;
    out.packets = 0;
    out.bytes = 0;
    hop.hooks = {in, hook("PREROUTING", Passage::passed), hook("FORWARD", Passage::dropped),
                 hook("POSTROUTING", Passage::not_reached), out};
    hop.rule = rule("mail", "drop", "-A mail -p tcp -m tcp --dport 25 -j DROP");
    hop.rule->jumps = {rule("FORWARD", "jump", "-A FORWARD -p tcp -j mail")};
    return hop;
}

HopReport source_hop() {
    HopReport hop;
    hop.name = hop.entry = "ts-hq";
    hop.answer.result = Verdict::yes;
    hop.hooks = {hook("OUTPUT", Passage::passed)};
    return hop;
}

HopReport unreached_hop() {
    HopReport hop;
    hop.name = "br-core";
    hop.entry = "ts-hq";
    hop.hop = 2;
    hop.answer.why = Why::stopped_before;
    hop.answer.stopped_by = RouterIndex{0};
    return hop;
}

Explanation example() {
    Explanation result;
    result.source = *Address::parse("10.1.1.100");
    result.destination = *Address::parse("10.2.5.100");
    result.total = Milliseconds(41.4);
    ServiceExplanation service;
    ReportBuilder builder({"br-gw", "br-core"});
    builder.add(IPPROTO_TCP, 25, "N-", "NETFILTER_DROP");
    service.scan = builder.report;
    service.hops = {source_hop(), stopping_hop(), unreached_hop()};
    result.services.push_back(std::move(service));
    return result;
}

void keep(const std::string& name, const Explanation& result) {
    std::string text;
    write_explain_json(result, false, [&text](std::string_view piece) { text += piece; });
    INFO(text);
    CHECK(nlohmann::json::accept(text));
    if (const char* directory = std::getenv("KSMS_DOCUMENTS"))
        std::ofstream(fmt::format("{}/{}", directory, name)) << text;
}

}  // namespace

TEST_CASE("explain: as text") {
    CHECK(explain_text(example(), 100) ==
          R"(10.1.1.100 -> 10.2.5.100   25/tcp smtp   NO   br-gw: firewall, FORWARD (NETFILTER_DROP)

from  ts-hq   sends it
    OUTPUT       passed
1     br-gw   NO
    ingress      eth1  1 packet, 60 bytes
    PREROUTING   passed
    route        10.2.0.0/16 via 10.9.0.2 dev wg0
                     by rule 100: from all ipproto tcp dport 25, table 77
    FORWARD      DROPPED by iptables-legacy: table filter, chain mail, rule 2
                     from table filter, chain FORWARD, rule 2: -A FORWARD -p tcp -j mail
                     -A mail -p tcp -m tcp --dport 25 -j DROP
    POSTROUTING  not reached
    egress       -  nothing
2     br-core   not reached

0 pass, 1 stops   41 ms
)");
}

TEST_CASE("explain: a loop is shown once, with its rounds and the hop where the TTL expired") {
    auto result = example();
    auto& hops = result.services[0].hops;
    hops[1].answer.dropped.kind = DropKind::ttl;
    hops[1].rounds = 31;
    hops[2] = hops[1];
    hops[2].answer.result = Verdict::yes;
    const auto text = explain_text(result, 100);
    INFO(text);
    CHECK(text.find(
              "\n1     br-gw   NO   in a loop: it came by 31 times, and its TTL ended here\n") !=
          std::string::npos);
    CHECK(text.find("br-gw   YES   in a loop: it came by 31 times\n") != std::string::npos);
}

TEST_CASE("explain: text keeps to the width and escapes control characters") {
    auto result = example();
    auto& hop = result.services[0].hops[1];
    hop.rule->text = "-A mail -m comment --comment \"" + std::string(150, 'x') + "\x1b[2J\"";
    hop.rule->chain = std::string(120, 'c');
    for (const std::size_t width : {60U, 100U}) {
        const auto text = explain_text(result, width);
        CHECK(text.find('\x1b') == std::string::npos);
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) CHECK(width_of(line) <= width);
    }
}

TEST_CASE("explain: documents", "[documents]") {
    auto result = example();
    keep("explain", result);
    auto& hop = result.services[0].hops[1];
    hop.candidates = {*hop.rule, rule("FORWARD", "reject", "")};
    hop.rule.reset();
    hop.rule_unknown = "other traffic is about";
    hop.route->priority.reset();
    hop.route->error = "Permission denied";
    hop.route->type = "prohibit";
    result.state = ScanState::interrupted;
    ServiceExplanation none;
    none.scan.services.resize(1);
    none.scan.services[0].service = {IPPROTO_UDP, 53};
    none.scan.services[0].cause.why = Why::interrupted;
    result.services.push_back(none);
    result.warnings = {"something"};
    keep("explain-other", result);
    CHECK(explain_text(result, 100).find("perhaps iptables-legacy") != std::string::npos);
}
