// SPDX-License-Identifier: BSD-2-Clause
// The configuration file.
#include "config/config.hpp"

#include <catch2/catch.hpp>

#include "config/json_lines.hpp"

using namespace ksms;
using namespace std::chrono_literals;

namespace {

std::string error_of(std::string_view text) {
    const auto config = parse_config(text, "c.json");
    REQUIRE_FALSE(config);
    CHECK(config.error().code == Code::usage);
    return config.error().message;
}

}  // namespace

TEST_CASE("config: the documented file") {
    const auto config = parse_config(R"({"dscp_registry":{"enabled":true,"dscp_range_min":34,
        "dscp_range_max":60,"max_concurrent_jobs":8,"allocation_timeout":60,"cleanup_interval":30},
        "ksms_parallel_execution":true,"max_parallel_fast_jobs":4,
        "ksms":{"dscp_exclude":[36,44],"utilization_warning":0.5}})",
                                     "c.json");
    REQUIRE(config);
    CHECK(config->limits.dscp_min == 34);
    CHECK(config->limits.dscp_max == 60);
    CHECK(config->limits.max_jobs == 8);
    CHECK(config->limits.ttl == 60s);
    CHECK(config->limits.excluded == (std::uint64_t{1} << 36 | std::uint64_t{1} << 44));
    CHECK(config->cleanup_interval == 30s);
    CHECK(config->max_parallel_fast_jobs == 4);
    CHECK(config->utilization_warning == 0.5);
    CHECK(config->warnings.empty());
}

TEST_CASE("config: absent keys keep their defaults") {
    const auto config = parse_config("{}", "c.json");
    REQUIRE(config);
    CHECK(config->limits.dscp_min == 32);
    CHECK(config->limits.dscp_max == 63);
    CHECK(config->limits.max_jobs == 32);
    CHECK(config->limits.ttl == 1h);
    CHECK(config->max_parallel_fast_jobs == 8);
}

TEST_CASE("config: exceptions of the JSON library become errors") {
    CHECK(error_of("{\n\"ksms\": {\"utilization_warning\": 1e999}}") ==
          "c.json:2: the number 1e999 is too large");
    CHECK(error_of("{\"app\":\n-1e999}") == "c.json:2: the number -1e999 is too large");
    CHECK(error_of("{\"a\":\n\"\x01\"}") == "c.json:2: this is not JSON");
    CHECK(error_of("{\"a\":\"\xff\"}") == "c.json:1: this is not JSON");
    CHECK(error_of("") == "c.json:1: this is not JSON");
    CHECK(error_of(std::string_view("{}\n\0 behind it", 13)) == "c.json:2: this is not JSON");
    // As deep as a file of 1 MiB can be: the value is printed in the message about its key.
    const std::string deep(500'000, '['), close(500'000, ']');
    CHECK(error_of("{\"max_parallel_fast_jobs\":" + deep + close + "}") ==
          "c.json:1: nested deeper than 64");
    CHECK(error_of("{\"max_parallel_fast_jobs\":\"[[{{\\\"[\"}")
              .starts_with("c.json:1: max_parallel_fast_jobs: \"[[{{"));
}

TEST_CASE("config: errors name the key and the line") {
    CHECK(error_of("{\n\"dscp_registry\": {\n\"dscp_range_mim\": 32}}") ==
          "c.json:3: dscp_registry.dscp_range_mim: there is no such key");
    CHECK(error_of("{\n\n\"ksms\": {\"exclude\": []}}") ==
          "c.json:3: ksms.exclude: there is no such key");
    CHECK(error_of("{\"dscp_registry\":\n{\"dscp_range_min\": 64}}") ==
          "c.json:2: dscp_registry.dscp_range_min: 64 is not a whole number from 0 to 63");
    CHECK(error_of("{\"dscp_registry\":{\"max_concurrent_jobs\": 0}}") ==
          "c.json:1: dscp_registry.max_concurrent_jobs: 0 is not a whole number from 1 to 64");
    CHECK(error_of("{\"dscp_registry\":{\"allocation_timeout\": -1}}") ==
          "c.json:1: dscp_registry.allocation_timeout: -1 is not a whole number from 1 to "
          "31536000");
    CHECK(error_of("{\"dscp_registry\":{\"allocation_timeout\": \"1\"}}").find("\"1\"") !=
          std::string::npos);
    CHECK(error_of("{\"dscp_registry\":{\"enabled\": 1}}") ==
          "c.json:1: dscp_registry.enabled: neither true nor false");
    CHECK(error_of("{\"dscp_registry\":\n{\"dscp_range_min\": 50,\n\"dscp_range_max\": 40}}") ==
          "c.json:2: dscp_registry.dscp_range_min: the range 50-40 is backwards");
    CHECK(error_of("{\"dscp_registry\":{\"dscp_range_max\": 40}, \"dscp_registry\": {}}") ==
          "c.json:1: dscp_registry: is given twice, first on line 1");
    CHECK(error_of("{\"dscp_registry\":{\"enabled\": true,\n\n\"enabled\": true}}") ==
          "c.json:3: dscp_registry.enabled: is given twice, first on line 1");
    CHECK(error_of("{\"ksms\":{\"dscp_exclude\":[32,64]}}") ==
          "c.json:1: ksms.dscp_exclude: 64 is not a whole number from 0 to 63");
    CHECK(error_of(
              "{\"dscp_registry\":{\"dscp_range_max\":32},\n\"ksms\":{\"dscp_exclude\":[32]}}") ==
          "c.json:2: ksms.dscp_exclude: leaves none of 32-32");
    CHECK(error_of("{\"ksms\":{\"utilization_warning\":1.5}}") ==
          "c.json:1: ksms.utilization_warning: 1.5 is not a number from 0 to 1");
    CHECK(error_of("{\n\"max_parallel_fast_jobs\": 0}") ==
          "c.json:2: max_parallel_fast_jobs: 0 is not a whole number from 1 to 64");
    CHECK(error_of("{\"ksms\": []}") == "c.json:1: ksms: not an object");
    CHECK(error_of("{\n\n\"ksms\": ,}") == "c.json:3: this is not JSON");
    CHECK(error_of("") == "c.json:1: this is not JSON");
    CHECK(error_of("[]") == "c.json:1: not a JSON object");
}

TEST_CASE("config: the registry limits of users other than root") {
    const auto limits_of = [](std::string_view text) {
        const auto config = parse_config(text, "c.json");
        REQUIRE(config);
        return config->limits;
    };
    auto limits = limits_of(R"({"ksms":{"root_reserve":0,"max_leases_user":2,
        "max_waiting_user":3,"max_ttl":7200}})");
    CHECK(limits.root_reserve == 0);
    CHECK(limits.user_leases == 2);
    CHECK(limits.user_waiters == 3);
    CHECK(limits.longest == 2h);
    limits = limits_of(R"({"dscp_registry":{"max_concurrent_jobs":16}})");
    CHECK(limits.root_reserve == 2);
    CHECK(limits.user_leases == 8);
    CHECK(limits.user_waiters == 16);
    CHECK(limits.longest == 24h);
    limits = limits_of(R"({"dscp_registry":{"allocation_timeout":100000}})");
    CHECK(limits.longest == 100'000s);
    CHECK(limits_of(R"({"dscp_registry":{"enabled":false}})").root_reserve == 0);
    CHECK(error_of("{\"ksms\":\n{\"root_reserve\": 32}}") ==
          "c.json:2: ksms.root_reserve: 32 is not a whole number from 0 to 31");
    CHECK(error_of("{\"ksms\":{\"max_leases_user\": 0}}") ==
          "c.json:1: ksms.max_leases_user: 0 is not a whole number from 1 to 64");
    CHECK(error_of("{\"ksms\":{\"max_waiting_user\": 113}}") ==
          "c.json:1: ksms.max_waiting_user: 113 is not a whole number from 1 to 112");
    CHECK(error_of("{\"ksms\":\n\n{\"max_ttl\": 60}}") ==
          "c.json:3: ksms.max_ttl: 60 is less than dscp_registry.allocation_timeout, 3600");
}

TEST_CASE("config: the warning about a misspelt key suggests the right one") {
    const auto config = parse_config(R"({"dscp_registry":{"dscp_range_mim":32}})", "c.json");
    REQUIRE_FALSE(config);
    CHECK(config.error().hint == "did you mean dscp_range_min?");
}

TEST_CASE("config: any number of unknown keys gives one line of warning") {
    const auto warnings = [](const std::string& text) {
        const auto config = parse_config(text, "c.json");
        REQUIRE(config);
        return config->warnings;
    };
    using Lines = std::vector<std::string>;
    CHECK(warnings("{\"web\": [{\"port\": 1}, {\"port\": 2}]}") ==
          Lines{"c.json: not a key of ksms, passed over: web"});
    CHECK(warnings("{\n\"web\": {\"port\": 1, \"enabled\": 3},\n\"kmss\": {}}") ==
          Lines{"c.json: not keys of ksms, passed over: kmss (line 3: did you mean ksms?), web"});
    std::string many = "{\"kmss\": 1";
    for (int i = 10; i < 57; ++i) many += ", \"of_the_web_" + std::to_string(i) + "\": 1";
    CHECK(warnings(many + "}") ==
          Lines{"c.json: not keys of ksms, passed over: kmss (line 1: did you mean ksms?), "
                "of_the_web_10, of_the_web_11, of_the_web_12, 44 more"});
}

TEST_CASE("config: a disabled registry has one DSCP and runs one job at a time") {
    const auto config = parse_config(R"({"dscp_registry":{"enabled":false}})", "c.json");
    REQUIRE(config);
    CHECK(config->limits.dscp_min == 32);
    CHECK(config->limits.dscp_max == 32);
    CHECK(config->limits.max_jobs == 1);
    CHECK(config->warnings.empty());
}

TEST_CASE("config: a file given by name must exist, the default file need not") {
    const auto missing = load_config("/nonexistent/config.json");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().text() == "read /nonexistent/config.json: No such file or directory");
    CHECK(missing.error().hint.find("--config names") == 0);
    CHECK(load_config("/").error().hint.find("--config names") == 0);
    CHECK_FALSE(load_config("/dev/zero"));
}

TEST_CASE("config: the line of a key is found despite strings that look like it") {
    const JsonLines lines(
        "{\"a\": \"} \\\" : {\",\n\"b\": [{\"c\": 1},\n{\"d\": {\"e\": []}}],\n"
        "\"f\"\n: \"g\"}");
    CHECK(lines.of("a") == 1);
    CHECK(lines.of("b") == 2);
    CHECK(lines.of("f") == 4);
    CHECK(lines.of("g") == 0);
    CHECK(lines.repeated().empty());
}

TEST_CASE("config: a key written with JSON escapes is recognized") {
    CHECK(error_of("{\"ksms\":\n{\"max\\u005ftll\": 60}}") ==
          "c.json:2: ksms.max_tll: there is no such key");
    CHECK(error_of("{\"ksms\": {},\n\"ksm\\u0073\": {}}") ==
          "c.json:2: ksms: is given twice, first on line 1");
}

TEST_CASE("config: a string with an embedded NUL is refused") {
    CHECK(error_of(R"({"ksms":{"allow":{"namespaces":["*\u0000hq"]}}})") ==
          R"(c.json:1: ksms.allow.namespaces: "*\u0000hq" has a NUL in it)");
    CHECK(error_of(R"({"ksms":{"allow":{"sources":["10.0.0.1\u0000"]}}})") ==
          R"(c.json:1: ksms.allow.sources: "10.0.0.1\u0000" has a NUL in it)");
}
