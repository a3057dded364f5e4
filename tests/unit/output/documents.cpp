// SPDX-License-Identifier: BSD-2-Clause
// Writes documents of every kind into the directory KSMS_DOCUMENTS for tests/schema/validate and
// checks that each is JSON.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "output/findings.hpp"
#include "output/health.hpp"
#include "output/json.hpp"
#include "output/layout.hpp"
#include "output/leases.hpp"
#include "output/plan.hpp"
#include "output/taps.hpp"
#include "reports.hpp"
#include "written.hpp"

using namespace ksms;
using namespace std::chrono_literals;

namespace {

void keep(const std::string& name, const std::string& text) {
    INFO(text);
    CHECK(nlohmann::json::accept(text));
    if (const char* directory = std::getenv("KSMS_DOCUMENTS"))
        std::ofstream(fmt::format("{}/{}", directory, name)) << text;
}

ksms_lease lease(std::uint32_t dscp, const char* job, std::uint32_t pid, std::uint64_t expires) {
    ksms_lease made{};
    made.state = 7 << 8 | KSMS_LEASE_HELD;
    made.owner_pid = pid;
    made.owner_start = 4711;
    made.allocated_ns = 1'000'000'000;
    made.expires_ns = expires;
    made.dscp = dscp;
    std::strcpy(made.job, job);
    std::strcpy(made.user, "root");
    return made;
}

std::vector<ksms_lease> three_leases() {
    return {lease(32, "owned", 1234, 61'000'000'000), lease(33, "ownerless", 0, 2'000'000'000),
            lease(40, "for-ever", 99, 0)};
}

constexpr Moment kNow{Instant(11s), WallTime(1'763'900'010'500ms)};

TapRow tap(bool standing) {
    TapRow row;
    row.id = 5;
    row.standing = standing;
    row.present = true;
    row.tap.router = 4026532000;
    row.tap.ifindex = 3;
    row.tap.direction = KSMS_EGRESS;
    row.tap.kind = standing ? KSMS_TAP_TCX : KSMS_TAP_CLSACT;
    row.tap.dscp = standing ? 0 : 34;
    row.tap.owner_pid = standing ? 0 : 77;
    row.tap.packets = 12;
    row.tap.own = 10;
    row.tap.strangers = 2;
    std::strcpy(row.tap.interface, "eth1");
    std::strcpy(row.tap.router_name, "hq-gw");
    return row;
}

Plan small_plan() {
    Plan plan;
    const auto here = [](const char* name) { return PlanNetns(0, name, 0); };
    PlanEntry entry;
    entry.netns = here("ts-hq");
    entry.interfaces = {{2, "eth0"}};
    plan.entries.push_back(std::move(entry));
    for (const char* name : {"hq-gw", "br-gw"}) {
        PlanRouter router;
        router.netns = here(name);
        router.interfaces = {{2, "eth1"}, {3, "wg0"}};
        plan.routers.push_back(std::move(router));
    }
    plan.routers[1].wanted = false;
    const PlanHop first{0, {2, "eth1"}, {3, "wg0"}, false}, last{1, {3, "wg0"}, {}, true};
    plan.paths = {{{first, last}, PathEnd::local, ""},
                  {{first}, PathEnd::no_route, "hq-gw has no route to 10.2.5.100"}};
    plan.path_of = {0, 0, 1};
    plan.neighbours.push_back(
        {plan.routers[0].netns, {3, "wg0"}, *Address::parse("10.0.0.2"), true});
    plan.warnings = {"--router x is on no path"};
    return plan;
}

ScanRequest small_request() {
    ScanRequest request;
    request.source = *Address::parse("10.1.1.100");
    request.destination = *Address::parse("10.2.5.100");
    request.services = {{IPPROTO_TCP, 80}, {IPPROTO_TCP, 81}, {IPPROTO_UDP, 53}};
    return request;
}

HealthReport some_health() {
    return {{{"kernel", "BTF", Health::ok, "types", "unused"},
             {"kernel", "tcx links", Health::limited, "taps that stay", "Linux 6.6 or later"},
             {"capabilities", "CAP_BPF", Health::missing, "maps", "run it as root (sudo)"}}};
}

}  // namespace

TEST_CASE("documents: scans", "[documents]") {
    auto report = example_report();
    const auto write = [&](bool pretty) {
        return written([&](const Sink& sink) { write_scan_json(report, pretty, sink); });
    };
    keep("scan", write(false));
    keep("scan-pretty", write(true));
    report.state = ScanState::interrupted;
    report.routers[0].iface.clear();
    report.texts.push_back("eth9");
    report.routers[0].services[0].iface = static_cast<TextIndex>(report.texts.size() - 1);
    report.routers[0].services[0].strangers = 3;
    report.changes.push_back({0, Endpoint{*Address::parse("fd00::9"), 8443}, std::nullopt});
    report.routers[0].services[0].change = static_cast<std::uint32_t>(report.changes.size() - 1);
    for (std::uint8_t note = 0; note < kNotes; ++note)
        report.routers[0].services[0].notes.add(static_cast<Note>(note));
    report.services[0].arrival = {Arrival::By::host, true, Delivery::taken, {}, {}, kNoText};
    report.warnings = {"something"};
    keep("scan-other", write(false));
    report.routers.clear();
    keep("scan-without-routers", write(false));
}

TEST_CASE("documents: scans from several entries", "[documents]") {
    ReportBuilder builder({"r1", "r2"}, {"h1", "h2"});
    builder.add(IPPROTO_TCP, 22, "YYYN", "NETFILTER_DROP")
        .add(IPPROTO_TCP, 23, "YYYY")
        .add(IPPROTO_TCP, 24, "N-YN", "NETFILTER_DROP")
        .add(IPPROTO_UDP, 53, "????", "lost");
    const auto write = [&] {
        return written([&](const Sink& sink) { write_scan_json(builder.report, false, sink); });
    };
    keep("scan-entries", write());
    // Two reasons for one UNKNOWN.
    auto& lost = builder.report.by_entry[1].services[3];
    lost.cause.why = Why::deadline;
    builder.report.services[3].cause = {.why = Why::by_entry};
    keep("scan-entries-unknown", write());
}

TEST_CASE("documents: plan", "[documents]") {
    const auto plan = small_plan();
    const auto request = small_request();
    keep("plan", written([&](const Sink& sink) { write_plan_json(request, plan, false, sink); }));
    CHECK(plan_text(request, plan, 100) ==
          R"(10.1.1.100 (ts-hq) -> 10.2.5.100   3 services   nothing is sent

80-81/tcp
  ts-hq -> hq-gw [eth1 > wg0] -> br-gw [wg0 > itself]; the last router accepts it

53/udp
  ts-hq -> hq-gw [eth1 > wg0]; hq-gw has no route to 10.2.5.100

ROUTER  TAPS ON
hq-gw   eth1 wg0
br-gw   eth1 wg0  not judged
)");
}

TEST_CASE("documents: leases", "[documents]") {
    const auto leases = three_leases();
    const auto text =
        written([&](const Sink& sink) { write_leases_json(leases, kNow, false, sink); });
    keep("registry", text);
    const auto read = nlohmann::json::parse(text)["leases"];
    CHECK(read[0]["expires_at"] == 1'763'900'060.5);
    CHECK(read[0]["allocated_at"] == 1'763'900'000.5);
    CHECK(read[0]["status"] == "active");
    CHECK(read[0]["generation"] == 7);
    CHECK(read[1]["status"] == "expired");
    CHECK(read[1]["pid"].is_null());
    CHECK(read[2]["expires_at"].is_null());
    keep("registry-empty",
         written([](const Sink& sink) { write_leases_json({}, kNow, false, sink); }));
    CHECK(leases_text(leases, kNow, kWidestText) ==
          R"(DSCP  TOS   JOB        USER  PID   HELD FOR  ENDS     STATUS
32    0x80  owned      root  1234  10 s      in 50 s  active
33    0x84  ownerless  root  -     10 s      expired  expired
40    0xa0  for-ever   root  99    10 s      never    active
)");
    CHECK(leases_text({}, kNow, kWidestText) == "no leases\n");
}

TEST_CASE("documents: the usage of the registry", "[documents]") {
    RegistryUse use;
    use.dscps = 0xff'00ff'0000'0000;
    use.capacity = 16;
    use.in_use = 12;
    use.over = 2;
    use.figures.most = 14;
    use.figures.allocated = 40;
    const auto text = written([&](const Sink& sink) { write_use_json(use, false, sink); });
    keep("registry-status", text);
    const auto read = nlohmann::json::parse(text);
    CHECK(read["free"] == 4);
    CHECK(read["utilization"] == 0.75);
    CHECK(read["dscps"].size() == 16);
    CHECK(read["dscps"][8] == 48);
    CHECK(read["most"] == 14);
    CHECK(
        use_text(use).starts_with("in use  12 of 16 (75 %), at most 14 at once\nfree    4\n"
                                  "over    2\nDSCPs   32-39, 48-55\nwaiting 0\n"));
    CHECK(use_text(use).find("40 allocated, 0 released") != std::string::npos);
    use.capacity = 1;
    CHECK(use_text(use).starts_with("in use  12 of 1 (1200 %), at most 14 at once\nfree    0\n"));
}

TEST_CASE("documents: the findings of registry check", "[documents]") {
    const std::vector<Finding> findings{
        {"DSCP 40: its owner has ended", "nobody can have it", "freed", true},
        {"the pin /x/leases is missing", "nobody finds it", "nothing holds it any more", false}};
    keep("registry-check",
         written([&](const Sink& sink) { write_findings_json(findings, true, false, sink); }));
    CHECK(findings_text(findings, true) ==
          "DSCP 40: its owner has ended\n    nobody can have it\n    repaired: freed\n"
          "the pin /x/leases is missing\n    nobody finds it\n    left: nothing holds it any "
          "more\n");
    CHECK(findings_text({}, false) == "the registry is in order\n");
}

TEST_CASE("documents: taps", "[documents]") {
    const ProgramStats stats{1, 0, 0, 0, 0, 0, 0, 9};
    const std::vector<TapRow> rows{tap(true), tap(false)};
    keep("taps", written([&](const Sink& sink) { write_taps_json(rows, stats, false, sink); }));
    keep("taps-empty", written([](const Sink& sink) { write_taps_json({}, {}, true, sink); }));
    CHECK(taps_text(rows, kWidestText) ==
          R"(TAP  ROUTER  INTERFACE  DIRECTION  KIND    HELD BY
5    hq-gw   eth1       egress     tcx     stays
5    hq-gw   eth1       egress     clsact  scan of dscp 34 (pid 77)
)");
    CHECK(tap_counters_text(rows, stats, kWidestText)
              .ends_with("all programs: unparsable 1, stale 9\n"));
    CHECK(taps_text({}, kWidestText) == "no taps\n");
}

TEST_CASE("documents: doctor and gc", "[documents]") {
    const auto health = some_health();
    CHECK_FALSE(health.can_scan());
    keep("doctor", written([&](const Sink& sink) { write_health_json(health, false, sink); }));
    CHECK(health_text(health, false, 100) ==
          R"(kernel
  OK       BTF                       types
  LIMITED  tcx links                 taps that stay
           Linux 6.6 or later

capabilities
  MISSING  CAP_BPF                   maps
           run it as root (sudo)

no scan can run here
)");
    const std::vector<Removed> removed{{12, "filter on eth0 (ingress) in hq-gw", ""},
                                       {0, "clsact on eth0 in hq-gw", "Device or resource busy"}};
    keep("gc", written([&](const Sink& sink) { write_removed_json(removed, false, sink); }));
    CHECK(removed_text(removed) ==
          "removed filter on eth0 (ingress) in hq-gw (of the dead process 12)\n"
          "not removed: clsact on eth0 in hq-gw: Device or resource busy\n");
    CHECK(removed_text({}) ==
          "no dead process left anything; `ksmsctl uninstall` removes what stays by design\n");
    keep("uninstall", written([&](const Sink& sink) {
             write_uninstalled_json(removed, {"DSCP 32: job a of b (pid 1)"}, true, false, sink);
         }));
}

TEST_CASE("documents: errors and information", "[documents]") {
    keep("error", error_json({Code::no_dscp, 0, "no DSCP is free", "wait"}, false));
    keep("error-without-hint", error_json({Code::failed, 0, "it failed", ""}, true));
    keep("version", information_json("ksms.version/1", "version", "ksmsctl 0.1.0", false));
    keep("help", information_json("ksms.help/1", "text", "a\nb", true));
}
