// SPDX-License-Identifier: BSD-2-Clause
// From scan options to a request, and the error messages.
#include "request/scan_request.hpp"

#include <netinet/in.h>
#include <stdlib.h>

#include <catch2/catch.hpp>

using namespace ksms;
using namespace std::chrono_literals;

namespace {

using Line = std::vector<std::string>;

Result<Asked> request(const Line& more,
                      Line line = {"-s", "10.0.0.1", "-d", "10.0.0.2", "-P", "22,53/udp"},
                      const RegistryLimits& limits = {}, const Environment& environment = {}) {
    line.insert(line.end(), more.begin(), more.end());
    const auto arguments = parse_arguments(options_of(in_scan), line);
    REQUIRE(arguments);
    return make_scan_request(in_scan, *arguments, limits, environment);
}

std::string error_of(const Result<Asked>& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::usage);
    return result.error().message;
}

Environment with_job_dscp(const char* value) {
    Environment environment;
    environment.job_dscp = value;
    return environment;
}

const Line kLine{"-s", "10.0.0.1", "-d", "10.0.0.2", "-P", "22,53/udp"};

}  // namespace

TEST_CASE("scan: the documented defaults") {
    const auto made = request({});
    REQUIRE(made);
    CHECK(made->services == std::vector<Service>{{IPPROTO_TCP, 22}, {IPPROTO_UDP, 53}});
    CHECK(made->timeout == 1s);
    CHECK(made->deadline == 0s);
    CHECK(made->retries == 3);
    CHECK(made->rate_pps == 0);
    CHECK(made->wait == 30s);
    CHECK(made->job.empty());
    CHECK_FALSE(made->dscp);
    CHECK(made->user.empty());  // the caller
    CHECK(made->tap == TapHooks::tc);
    CHECK_FALSE(made->entry_only);
}

TEST_CASE("scan: every option sets its member") {
    const auto made = request({"--exclude-ports",
                               "22",
                               "--source-netns",
                               "ns1",
                               "--entry-only",
                               "--router",
                               "r1",
                               "--router",
                               "pid:7",
                               "--tap",
                               "xdp",
                               "--timeout",
                               "0.5",
                               "--deadline",
                               "9",
                               "--retries",
                               "0",
                               "--rate",
                               "100",
                               "--job",
                               "j1",
                               "--dscp",
                               "40",
                               "--user",
                               "me",
                               "--wait",
                               "0"});
    REQUIRE(made);
    CHECK(made->services == std::vector<Service>{{IPPROTO_UDP, 53}});
    CHECK(made->source_netns == "ns1");
    CHECK(made->routers == Line{"r1", "pid:7"});
    CHECK(made->entry_only);
    CHECK(made->tap == TapHooks::xdp);
    CHECK(made->timeout == 500ms);
    CHECK(made->deadline == 9s);
    CHECK(made->retries == 0);
    CHECK(made->rate_pps == 100);
    CHECK(made->job == "j1");
    CHECK(made->dscp == 40);
    CHECK(made->user == "me");
    CHECK(made->wait == 0s);
    CHECK(request({"--tcp-timeout", "2"})->timeout == 2s);
    CHECK(request({"--dscp", "40"})->wait == 30s);
    CHECK(request({"--default-proto", "udp"})->services.front().protocol == IPPROTO_UDP);
}

TEST_CASE("scan: errors name the missing or wrong option") {
    CHECK(error_of(request({}, {"-d", "10.0.0.2", "-P", "22"})) == "a scan needs -s (--source IP)");
    CHECK(error_of(request({}, {"-s", "10.0.0.2", "-P", "22"})) ==
          "a scan needs -d (--destination IP)");
    CHECK(error_of(request({}, {"-s", "10.0.0.1", "-d", "10.0.0.2"})) ==
          "a scan needs -P (--ports SPEC)");
    CHECK(error_of(request({}, {"-s", "10.0.0.256", "-d", "10.0.0.2", "-P", "22"})) ==
          "--source 10.0.0.256: not an IPv4 or IPv6 address");
    CHECK(error_of(request({}, {"-s", "10.0.0.1", "-d", "fd00::1", "-P", "22"})) ==
          "-s 10.0.0.1 and -d fd00::1: one is IPv4, the other IPv6");
    CHECK(error_of(request({"--mode", "isolate"})) == "--mode isolate: it is path or isolated");
    CHECK(error_of(request({"--mode", "isolated", "--tap", "xdp"})) ==
          "--tap xdp cannot see probes that --mode isolated injects");
    CHECK(error_of(request({"--inject", "r1:eth0"})) == "--inject is for --mode isolated");
    CHECK(error_of(request({"--tap", "nftables"})) ==
          "--tap nftables: it is tc or xdp or netfilter");
    CHECK(request({"--tap", "netfilter"})->tap == TapHooks::netfilter);
    CHECK(request({"--tap", "netfilter", "--mode", "isolated"})->isolated);
    CHECK(error_of(request({"--timeout", "1", "--tcp-timeout", "2"})) ==
          "--timeout 1 and --tcp-timeout 2 are the same option");
    CHECK(error_of(request({"--default-proto", "sctp"})) ==
          "--default-proto sctp: it is tcp or udp");
    CHECK(error_of(request({"--timeout", "-1"})) == "--timeout -1: not seconds from 0 to 86400");
    CHECK(error_of(request({"--rate", "fast"})) ==
          "--rate fast: not a whole number from 1 to 100000000");
    CHECK(error_of(request({"--job", "a b"})).find("--job a b") == 0);
    CHECK(error_of(request({"--job", ""})).find("--job") == 0);
    CHECK(error_of(request({"--user", std::string(64, 'u')})).find("--user") == 0);
    CHECK(error_of(request({"--router", ""})) == "--router needs a namespace");
    CHECK(error_of(request({"--exclude-ports", "-,U:-"})).find("--exclude-ports") !=
          std::string::npos);
}

TEST_CASE("failure 17: --dscp outside the range names the range") {
    CHECK(error_of(request({"--dscp", "10"})) == "--dscp 10: the configured range is 32 to 63");
    for (const char* bad : {"64", "-1", "x", "3x", "", "0x21", "4294967328"})
        CHECK(error_of(request({"--dscp", bad})).find("32 to 63") != std::string::npos);
    RegistryLimits limits;
    limits.dscp_min = 10;
    limits.excluded = 1ULL << 44;
    const Line line{"-s", "10.0.0.1", "-d", "10.0.0.2", "-P", "22", "--dscp"};
    CHECK(request({"10"}, line, limits)->dscp == 10);
    CHECK(error_of(request({"44"}, line, limits)).find("dscp_exclude") != std::string::npos);
}

TEST_CASE("scan: KSMS_JOB_DSCP is used unless --dscp is given") {
    const auto in = [](const char* value, const Line& more) {
        return request(more, kLine, {}, with_job_dscp(value));
    };
    CHECK(in("45", {})->dscp == 45);
    CHECK(in("45", {})->wait == 30s);
    CHECK(in("45", {"--dscp", "46"})->dscp == 46);
    CHECK(error_of(in("9", {})) == "KSMS_JOB_DSCP 9: the configured range is 32 to 63");
    CHECK_FALSE(request({})->dscp);
}

TEST_CASE("scan: KSMS_ATTACH selects how taps are attached") {
    const auto in = [](const char* value) {
        Environment environment;
        environment.attach = value;
        return request({}, kLine, {}, environment);
    };
    CHECK(request({})->way == AttachWay::automatic);
    CHECK(in("tcx")->way == AttachWay::tcx);
    CHECK(in("clsact")->way == AttachWay::clsact);
    CHECK(error_of(in("TCX")) == "KSMS_ATTACH is 'TCX'");
}

TEST_CASE("failure 16: a limit that would drop services is an error") {
    const auto with = [](const std::string& ports, const Line& more) {
        return request(more, {"-s", "10.0.0.1", "-d", "10.0.0.2", "-P", ports});
    };
    CHECK(with("1-150", {"--max-services", "150"})->services.size() == 150);
    CHECK(error_of(with("1-150", {"--max-services", "149"})) ==
          "--max-services 149: 150 services are asked for");
    CHECK(error_of(with("1-150", {"--range-limit", "100"})) ==
          "--range-limit 100: a range of 150 ports is asked for");
    CHECK(with("1-100,200-299", {"--range-limit", "100"})->services.size() == 200);
}

TEST_CASE("scan: --range-limit applies to explicit ranges, --force lifts it") {
    const auto with = [](const std::string& ports, const Line& more) {
        return request(more, {"-s", "10.0.0.1", "-d", "10.0.0.2", "-P", ports});
    };
    std::string singles;
    for (int port = 1; port <= 120; ++port) singles += std::to_string(port) + ",";
    CHECK(with(singles, {"--range-limit", "100"})->services.size() == 120);
    CHECK(with("1-60,61-120", {"--range-limit", "100"})->services.size() == 120);
    CHECK(error_of(with("7,1-101/udp", {"--range-limit", "100"})) ==
          "--range-limit 100: a range of 101 ports is asked for");
    CHECK(with("1-150", {"--force", "--range-limit", "100"})->services.size() == 150);
    CHECK(with("-", {"--force", "--range-limit", "1"})->services.size() == 65535);
    CHECK(error_of(with("1-150", {"--force", "--max-services", "100"})) ==
          "--max-services 100: 150 services are asked for");
}

TEST_CASE("scan: the predecessor's timeout syntax") {
    CHECK(request({"--tcp-timeout", "1e-1"})->timeout == 100ms);
    CHECK(request({"--tcp-timeout", "1.5"})->timeout == 1500ms);
    for (const char* option : {"--timeout", "--tcp-timeout"})
        CHECK(request({option, "0"})->timeout == 50ms);
    CHECK(error_of(request({"--deadline", "0"})) ==
          "--deadline 0: not seconds from 0.001 to 86400");
}

TEST_CASE("scan: --fail-on") {
    const auto read = [](const char* value) { return request({"--fail-on", value}); };
    CHECK(read("no")->fail_on == std::set<Verdict>{Verdict::no});
    CHECK(read("unknown,yes")->fail_on == std::set<Verdict>{Verdict::yes, Verdict::unknown});
    CHECK(request({})->fail_on.empty());
    for (const char* bad : {"", "maybe", "yes,", "YES"}) CHECK_FALSE(read(bad));
    CHECK(error_of(read("maybe")) == "--fail-on maybe: \"maybe\" is not yes, no or unknown");
    CHECK(read("unknwon").error().hint == "did you mean unknown?");
}
