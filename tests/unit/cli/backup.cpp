// SPDX-License-Identifier: BSD-2-Clause
// Backups: the predecessor's, ours, and files that are neither.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "cli/backup_file.hpp"

using namespace ksms;
using namespace std::chrono_literals;

namespace {

std::string error_of(const std::string& text) {
    const auto parsed = parse_backup(text, "b.json");
    return parsed ? "" : parsed.error().text();
}

std::string with(const std::string& entry) {
    return R"({"version":1,"allocations":{"web":{)" + entry + "}}}";
}

}  // namespace

TEST_CASE("backup: the predecessor's format is read") {
    const auto parsed = parse_backup(
        with(R"("dscp":40,"job_id":"web","username":"alice","pid":77,"allocated_at":1763900000.5,)"
             R"("status":"active")"),
        "b.json");
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 1);
    const auto& lease = parsed->front();
    CHECK(lease.job == "web");
    CHECK(lease.dscp == 40);
    CHECK(lease.user == "alice");
    CHECK(lease.pid == 77);
    CHECK_FALSE(lease.start);
    CHECK_FALSE(lease.expires_at);
    CHECK(lease.allocated_at == WallTime(1'763'900'000'500ms));
}

TEST_CASE("backup: a malformed file is refused with the reason") {
    CHECK(error_of("{\"version\":1,\n\"allocations\":{\"web\":{\"dscp\":4") ==
          "b.json:2: this is not JSON");
    CHECK(error_of(with("\"dscp\":40,\n\"pid\":1e999")) ==
          "b.json:2: the number 1e999 is too large");
    CHECK(error_of(R"({"version":2,"allocations":{}})") == "b.json is no backup of version 1");
    CHECK(error_of(R"({"version":1})") == "b.json is no backup of version 1");
    CHECK(error_of("[]") == "b.json is no backup of version 1");
    CHECK(error_of("{\"version\":1,\"allocations\":{\"a\":{\"dscp\":40,\"pid\":1},\n"
                   "\"a\":{\"dscp\":41,\"pid\":1}}}") == "b.json:2: allocations.a is given twice");
    CHECK(error_of(with(R"("pid":1)")) == "b.json: the allocation web has no dscp");
    CHECK(error_of(with(R"("dscp":64,"pid":1)")) ==
          "b.json: the allocation web has the dscp 64, not one of 0 to 63");
    CHECK(error_of(with(R"("dscp":40,"pid":-3)")) ==
          "b.json: the allocation web has the pid -3, not one of 1 to 4194303");
    CHECK(error_of(with(R"("dscp":40)")) ==
          "b.json: the allocation web has neither a pid nor an expires_at: nothing would end it");
    CHECK(error_of(with(R"("dscp":40,"pid":1,"job_id":"other")")) ==
          "b.json: the allocation web has another job_id: \"other\"");
    CHECK(error_of(with(R"("dscp":40,"pid":1,"expires_at":"soon")")) ==
          "b.json: the allocation web has the expires_at \"soon\", which is no time between 1970 "
          "and 2554");
    for (const char* date : {"18446744073", "1e300", "253402300799", "-1"})
        CHECK(error_of(with(fmt::format(R"("dscp":40,"pid":1,"expires_at":{})", date)))
                  .find("b.json: the allocation web has the expires_at ") == 0);
    CHECK(parse_backup(with(R"("dscp":40,"pid":1,"expires_at":18446744072.9)"), "b.json"));
    CHECK(error_of(R"({"version":1,"allocations":{"../x":{"dscp":40,"pid":1}}})") ==
          "b.json: the allocation ../x is no name of a job");
    CHECK(error_of(
              R"({"version":1,"allocations":{"a":{"dscp":40,"pid":1},"b":{"dscp":40,"pid":1}}})") ==
          "b.json: DSCP 40 is given twice");
}
