// SPDX-License-Identifier: BSD-2-Clause
// A job's JSON: the options of the command line as keys.
#include "request/scan_request.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace {

using namespace ksms;
using namespace std::chrono_literals;
using nlohmann::json;

json body(const json& more = json::object()) {
    json result{{"source", "10.0.0.1"}, {"destination", "10.0.9.1"}, {"services", "80/tcp,53/udp"}};
    result.update(more);
    return result;
}

std::string refusal(const json& asked) {
    const auto job = make_job_request(asked, RegistryLimits{});
    if (job) return "accepted";
    CHECK(job.error().code == Code::usage);
    return job.error().text();
}

}  // namespace

TEST_CASE("job request: the keys are the options of scan") {
    const auto job = make_job_request(body({{"id", "nightly"},
                                            {"user", "anna"},
                                            {"source_netns", "lab"},
                                            {"router", {"r1", "r2"}},
                                            {"entry_only", true},
                                            {"force", false},
                                            {"timeout", 0.5},
                                            {"retries", 2},
                                            {"dscp", 40},
                                            {"tap", "xdp"}}),
                                      RegistryLimits{});
    REQUIRE(job);
    CHECK_FALSE(job->detailed);
    CHECK(job->id == "nightly");
    CHECK(job->user == "anna");
    CHECK(job->source.text() == "10.0.0.1");
    CHECK(job->services.size() == 2);
    CHECK(job->source_netns == "lab");
    CHECK(job->routers == std::vector<std::string>{"r1", "r2"});
    CHECK(job->entry_only);
    CHECK(job->timeout == 500ms);
    CHECK(job->retries == 2);
    CHECK(job->dscp == 40);
    CHECK(job->tap == TapHooks::xdp);

    const auto detailed = make_job_request(body({{"type", "detailed"}}), RegistryLimits{});
    REQUIRE(detailed);
    CHECK(detailed->detailed);
}

TEST_CASE("job request: ports is another name of services") {
    auto asked = body();
    asked.erase("services");
    asked["ports"] = "22";
    CHECK(make_job_request(asked, RegistryLimits{}).has_value());
    asked["services"] = "22";
    CHECK(refusal(asked).find("the same: give one") != std::string::npos);
    asked.erase("services");
    asked.erase("ports");
    CHECK(refusal(asked).find("\"services\" is missing") != std::string::npos);
}

TEST_CASE("job request: errors name the key") {
    struct Wrong {
        json more;
        const char* says;
    };
    const std::vector<Wrong> all{
        {{{"type", "slow"}}, "\"type\""},
        {{{"id", "a/b"}}, "\"id\""},
        {{{"id", 7}}, "\"id\""},
        {{{"id", ""}}, "\"id\""},
        {{{"user", std::string(200, 'u')}}, "\"user\""},
        {{{"soruce_netns", "x"}}, "\"soruce_netns\""},
        {{{"job", "x"}}, "\"job\""},
        {{{"dry_run", true}}, "\"dry_run\""},
        {{{"fail_on", "no"}}, "\"fail_on\""},
        {{{"entry_only", "yes"}}, "\"entry_only\""},
        {{{"timeout", "soon"}}, "\"timeout\": \"soon\": not seconds from 0 to 86400"},
        {{{"retries", 2.5}}, "\"retries\": 2.5: not a whole number from 0 to 100"},
        {{{"mode", "isolate"}}, "\"mode\": \"isolate\": it is path or isolated"},
        {{{"user", 7}}, "\"user\": 7: not a string"},
        {{{"inject", "r1:eth0"}}, "\"inject\" is for \"mode\": \"isolated\""},
        {{{"mode", "isolated"}, {"tap", "xdp"}},
         "\"tap\": \"xdp\" cannot see probes that \"mode\": \"isolated\" injects"},
        {{{"timeout", 1}, {"tcp_timeout", 2}}, "\"tcp_timeout\" and \"timeout\" are the same"},
        {{{"destination", "fd00::1"}}, "\"source\": \"10.0.0.1\" and \"destination\": \"fd00::1\""},
        {{{"services", "1-150"}, {"range_limit", 100}}, "\"range_limit\": 100: a range of 150"},
        {{{"dscp", "x"}}, "\"dscp\": \"x\": the configured range is 32 to 63"},
        {{{"timeout", json::array({1, 2})}}, "\"timeout\""},
        {{{"dscp", 99}}, "99"},
        {{{"router", json::array({json::object()})}}, "\"router\""},
        {{{"source", "nowhere"}}, "nowhere"},
        {{{"source", std::string("10.0.0.1\0x", 10)}}, "zero byte"},
        {{{"services", "99999/tcp"}}, "99999"},
    };
    for (const auto& [more, says] : all) {
        INFO(more.dump());
        CHECK(refusal(body(more)).find(says) != std::string::npos);
    }
    CHECK(refusal(json::array()).find("JSON object") != std::string::npos);
    CHECK(refusal({{"source", "10.0.0.1"}, {"services", "1"}}).find("\"destination\"") !=
          std::string::npos);
    // A detailed job takes few services and has fewer options.
    CHECK(refusal(body({{"type", "detailed"}, {"services", "1-100"}})).find("at most") !=
          std::string::npos);
    CHECK(refusal(body({{"type", "detailed"}, {"retries", 1}})).find("\"retries\"") !=
          std::string::npos);
}

TEST_CASE("job request: job submit turns its options into a body") {
    const std::vector<std::string> line{
        "-s",     "10.0.0.1",  "-d",        "10.0.9.1",    "-P",    "80,53/udp", "--id",
        "web",    "--router",  "r1",        "--rate",      "5",     "--router",  "r2",
        "--dscp", "40",        "--timeout", "0.5",         "--tap", "xdp",       "--user",
        "anna",   "--fail-on", "no",        "--entry-only"};
    const auto arguments = parse_arguments(options_of(in_submit), line);
    REQUIRE(arguments);
    const auto said = job_body(*arguments);
    auto expected = body({{"id", "web"},
                          {"router", {"r1", "r2"}},
                          {"rate", "5"},
                          {"dscp", "40"},
                          {"timeout", "0.5"},
                          {"tap", "xdp"},
                          {"user", "anna"},
                          {"entry_only", true},
                          {"ports", "80,53/udp"}});
    expected.erase("services");
    CHECK(said == expected);
    const auto job = make_job_request(said, {});
    REQUIRE(job);
    CHECK(job->id == "web");
    CHECK(job->rate_pps == 5);
    CHECK(job->dscp == 40);
    // Wrong values are reported before ksmsd is asked, with the names of the options.
    const auto wrong = parse_arguments(options_of(in_submit), {"-s", "x"});
    CHECK(make_scan_request(in_submit, *wrong, {}, {}).error().text() ==
          "--source x: not an IPv4 or IPv6 address");
    CHECK(make_scan_request(in_submit, *parse_arguments(options_of(in_submit), {}), {}, {})
              .error()
              .text() == "a job needs -s (--source IP)");
}
