// SPDX-License-Identifier: BSD-2-Clause
// The documents.
#include "output/json.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "reports.hpp"

using namespace ksms;
using nlohmann::json;

namespace {

std::string scan_document(const Report& report, bool pretty = false) {
    std::string text;
    write_scan_json(report, pretty, [&text](std::string_view piece) { text += piece; });
    return text;
}

}  // namespace

TEST_CASE("JSON: a parser reads back what the writer wrote") {
    for (const bool pretty : {false, true}) {
        std::string text;
        {
            JsonWriter writer([&text](std::string_view piece) { text += piece; }, pretty);
            writer.begin_object().field("a", 1).field("b", -5LL).field("c", "x\"\\\n\t\x01ü");
            writer.field("d", true).key("e").null().key("f").value(1.5, 3);
            writer.key("g").begin_array().end_array().key("h").begin_object().end_object();
            writer.key("i").strings({"x", "y"}).key("j").text_or_null("").key("k").value("\xff");
            writer.key("l").value(std::uint64_t{18446744073709551615U}).end_object();
        }
        CHECK(text.ends_with("}\n"));
        CHECK((text.find("\n  ") != std::string::npos) == pretty);
        const auto read = json::parse(text);
        CHECK(read == json{{"a", 1},
                           {"b", -5},
                           {"c", "x\"\\\n\t\x01ü"},
                           {"d", true},
                           {"e", nullptr},
                           {"f", 1.5},
                           {"g", json::array()},
                           {"h", json::object()},
                           {"i", {"x", "y"}},
                           {"j", nullptr},
                           {"k", "\\xff"},
                           {"l", 18446744073709551615U}});
    }
}

TEST_CASE("JSON: a scan has the documented fields in the documented order") {
    const auto text = scan_document(example_report());
    CHECK(text.starts_with(
        R"({"schema":"ksms.scan/1","state":"done","source":"10.1.1.100",)"
        R"("destination":"10.2.5.100","mode":"path","job":"7f3a","dscp":33,"carried_dscp":33,)"));
    CHECK(text.find('\n') == text.size() - 1);
    const auto read = json::parse(text);
    CHECK(read == json::parse(scan_document(example_report(), true)));
    REQUIRE(read["services"].size() == 5);
    const auto& smtp = read["services"][1];
    CHECK(smtp["port"] == 25);
    CHECK(smtp["protocol"] == "tcp");
    CHECK(smtp["result"] == "NO");
    CHECK(smtp["stopped_at"] == "br-gw");
    CHECK(smtp["reason"] == "NETFILTER_DROP");
    CHECK(smtp["place"] == "nft_do_chain");
    CHECK(read["services"][0]["stopped_at"].is_null());
    CHECK(read["services"][0]["reason"].is_null());
    REQUIRE(read["routers"].size() == 3);
    const auto& gateway = read["routers"][0];
    CHECK(gateway["name"] == "hq-gw");
    CHECK(gateway["iface"] == "wg0");
    CHECK(gateway["ingress_iface"] == "eth1");
    CHECK(gateway["entry"] == "ts-hq");
    CHECK(gateway["hop"] == 1);
    CHECK(gateway["services"][0]["ingress"] == json{{"packets", 1}, {"bytes", 54}});
    CHECK(gateway["services"][0]["egress"] == json{{"packets", 1}, {"bytes", 54}});
    CHECK(gateway["services"][0]["reason"].is_null());
    CHECK(gateway["services"][0]["notes"] == json::array());
    CHECK(gateway["services"][3]["result"] == "UNKNOWN");
    CHECK(gateway["services"][3]["reason"] == "lost");
    CHECK(read["routers"][2]["services"][1]["reason"] == "stopped_before:br-gw");
    CHECK(read["summary"] ==
          json{{"services", 5}, {"routers", 3}, {"yes", 3}, {"no", 1}, {"unknown", 1}});
    CHECK(read["timing_ms"]["total"] == 20.5);
    CHECK(read["warnings"] == json::array());
}

TEST_CASE("JSON: several entries have services of their own, and one result only where all agree") {
    ReportBuilder builder({"r1", "r2"}, {"h1", "h2"});
    builder.add(IPPROTO_TCP, 22, "YYYN", "NETFILTER_DROP")
        .add(IPPROTO_TCP, 23, "YYYY")
        .add(IPPROTO_TCP, 24, "N-YN", "NETFILTER_DROP")
        .add(IPPROTO_TCP, 25, "N-N-", "NETFILTER_DROP")
        .add(IPPROTO_UDP, 53, "??YY", "lost");
    const auto read = json::parse(scan_document(builder.report));
    const auto& services = read["services"];
    CHECK(services[0]["result"] == "MIXED");
    CHECK(services[0]["stopped_at"].is_null());
    CHECK(services[0]["reason"].is_null());
    CHECK(services[0]["why"] == "YES from h1; NO from h2 (r2: firewall, FORWARD (NETFILTER_DROP))");
    CHECK(services[1]["result"] == "YES");
    CHECK(services[1]["why"].is_null());
    CHECK(services[2]["result"] == "NO");
    CHECK(services[2]["stopped_at"].is_null());
    CHECK(services[2]["why"] ==
          "NO from h1 (r1: firewall, FORWARD (NETFILTER_DROP)); "
          "NO from h2 (r2: firewall, FORWARD (NETFILTER_DROP))");
    CHECK(services[3]["stopped_at"] == "r1");
    CHECK(services[4]["result"] == "MIXED");
    CHECK(
        read["summary"] ==
        json{{"services", 5}, {"routers", 2}, {"yes", 1}, {"no", 2}, {"unknown", 0}, {"mixed", 2}});
    REQUIRE(read["entries"].size() == 2);
    const auto& other = read["entries"][1];
    CHECK(other["entry"] == "h2");
    CHECK(other["services"][0]["result"] == "NO");
    CHECK(other["services"][0]["stopped_at"] == "r2");
    CHECK(other["services"][4]["result"] == "YES");
    CHECK(other["summary"] ==
          json{{"services", 5}, {"routers", 2}, {"yes", 2}, {"no", 3}, {"unknown", 0}});
    CHECK(read["hint"] ==
          "one entry alone: ksmsctl explain --source-netns h1 -s 10.1.1.100 -d 10.2.5.100 "
          "-P 53/udp");
}

TEST_CASE("JSON: of many entries with one answer three are named") {
    ReportBuilder builder({"r1"}, {"h1", "h2", "h3", "h4", "h5", "h6"});
    builder.add(IPPROTO_TCP, 22, "YNYYYY", "NETFILTER_DROP");
    const auto read = json::parse(scan_document(builder.report));
    CHECK(read["services"][0]["why"] ==
          "YES from h1, h3, h4 and 2 more; NO from h2 (r1: firewall, FORWARD (NETFILTER_DROP))");
}

TEST_CASE("JSON: a router omits services whose path does not cross it") {
    const auto read = json::parse(scan_document(example_report()));
    CHECK(read["routers"][0]["services"].size() == 5);
    CHECK(read["routers"][1]["services"].size() == 4);
    for (const auto& service : read["routers"][1]["services"]) CHECK(service["port"] != 3306);
}

TEST_CASE("JSON: destination_reached is true, false or null") {
    auto report = example_report();
    report.services[0].arrival = {Arrival::By::host, true, Delivery::unknown, {}, {}, kNoText};
    report.services[1].arrival.by = Arrival::By::elsewhere;
    report.routers[0].iface.clear();
    report.state = ScanState::interrupted;
    const auto read = json::parse(scan_document(report));
    CHECK(read["destination_reached"][0] ==
          json{{"port", 22}, {"protocol", "tcp"}, {"reached", true}});
    CHECK(read["destination_reached"][1]["reached"] == false);
    CHECK(read["destination_reached"][2]["reached"].is_null());
    CHECK(read["routers"][0]["iface"].is_null());
    CHECK(read["state"] == "interrupted");
}

TEST_CASE("JSON: errors") {
    const Error error{Code::not_found, 0, "there is no namespace \"x\"", ""};
    CHECK(json::parse(error_json(error, false)) ==
          json{{"schema", "ksms.error/1"},
               {"error",
                {{"code", "not_found"},
                 {"message", "there is no namespace \"x\""},
                 {"hint", nullptr}}}});
    const Error system{Code::failed, 2, "open /x", "make it"};
    const auto read = json::parse(error_json(system, true));
    CHECK(read["error"]["message"] == "open /x: No such file or directory");
    CHECK(read["error"]["hint"] == "make it");
}

TEST_CASE("JSON: 65,535 services are written in pieces") {
    ReportBuilder builder({"r1", "r2", "r3"});
    for (std::uint32_t port = 1; port <= 65535; ++port)
        builder.add(IPPROTO_TCP, static_cast<std::uint16_t>(port), "YYY");
    std::size_t pieces = 0, bytes = 0, largest = 0;
    write_scan_json(builder.report, false, [&](std::string_view piece) {
        ++pieces;
        bytes += piece.size();
        largest = std::max(largest, piece.size());
    });
    CHECK(pieces > 100);
    CHECK(largest < 64 * 1024);
    CHECK(bytes > 65535 * 4 * 50);
}
