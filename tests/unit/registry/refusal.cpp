// SPDX-License-Identifier: BSD-2-Clause
#include "registry/refusal.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>

using namespace ksms;

namespace {

LeaseRequest request() {
    LeaseRequest made;
    made.job = "web-1";
    made.user = "alice";
    return made;
}

ksms_lease held(std::uint32_t dscp, const char* job, std::uint64_t since) {
    ksms_lease made{};
    made.dscp = dscp;
    made.owner_pid = 100 + dscp;
    made.allocated_ns = since;
    std::strcpy(made.job, job);
    std::strcpy(made.user, "bob");
    return made;
}

}  // namespace

TEST_CASE("refusals: a request that can never be met is a usage error") {
    CHECK(check_request(request(), {}));
    auto wrong = request();
    wrong.job = "no name";
    CHECK(check_request(wrong, {}).error().message == "'no name' is no name of a job");
    for (const auto& user : {std::string(), std::string("a\nb"), std::string(64, 'u')}) {
        wrong = request();
        wrong.user = user;
        REQUIRE_FALSE(check_request(wrong, {}));
        CHECK(check_request(wrong, {}).error().code == Code::usage);
    }
    wrong = request();
    wrong.user = "Jörg, Büro 3";
    CHECK(check_request(wrong, {}));
}

TEST_CASE("refusals: a DSCP outside the configured range") {
    auto wanted = request();
    for (const int dscp : {0, 31, 64, 255}) {
        wanted.dscp = static_cast<std::uint8_t>(dscp);
        REQUIRE_FALSE(check_request(wanted, {}));
        CHECK(check_request(wanted, {}).error().code == Code::usage);
    }
    wanted.dscp = 59;
    CHECK(check_request(wanted, {}));
    RegistryLimits limits;
    limits.excluded = 1ull << 59;
    CHECK(check_request(wanted, limits).error().message ==
          "DSCP 59 is not one of the registry's (32 to 63 without dscp_exclude)");
}

TEST_CASE("refusals: the message names the holder, the number of DSCPs and the remedy") {
    CHECK(job_taken(held(40, "web-1", 1)).message ==
          "the job web-1 holds DSCP 40 already, by another owner: job web-1 of bob (pid 140)");
    CHECK(dscp_taken(held(41, "other", 1)).message ==
          "DSCP 41 is held by job other of bob (pid 141)");
    RegistryLimits limits;
    limits.max_jobs = 2;
    const auto error = none_free({held(32, "new", 9), held(33, "old", 5)}, limits);
    CHECK(error.code == Code::no_dscp);
    CHECK(error.message ==
          "no DSCP is free: 2 of 2 are held, the longest 33 by job old of bob (pid 133)");
    CHECK(error.hint.find("--wait") != std::string::npos);
    CHECK(none_free({}, limits).message == "no DSCP is free: 0 of 2 are held");
}

TEST_CASE("refusals: a limit is named with the key that sets it") {
    RegistryLimits limits;
    limits.user_leases = 3;
    CHECK(user_is_full(limits).message ==
          "3 DSCPs are held by this user already, as many as one may hold");
    CHECK(user_is_full(limits).hint.find("ksms.max_leases_user") != std::string::npos);
    const auto of = [&](std::uint32_t result) { return not_given(request(), result, limits); };
    CHECK(of(EDQUOT).code == Code::no_dscp);
    CHECK(of(EMFILE).hint.find("ksms.max_waiting_user") != std::string::npos);
    CHECK(of(EDOM).hint.find("ksms.root_reserve") != std::string::npos);
    CHECK(of(EACCES).code == Code::not_allowed);
    CHECK(of(EACCES).message == "web-1: names that begin with ksmsd: are the service's");
    CHECK(of(EOPNOTSUPP).code == Code::not_allowed);
    CHECK(too_long(from_ns(KSMS_LONGEST_NS + 1), limits).code == Code::usage);
}
