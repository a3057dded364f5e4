// SPDX-License-Identifier: BSD-2-Clause
#include "registry/record.hpp"

#include <catch2/catch.hpp>
#include <cstring>

using namespace ksms;

namespace {

ksms_lease lease(std::uint32_t pid, std::uint64_t start, std::uint64_t expires) {
    ksms_lease made{};
    made.state = 9ull << 8 | KSMS_LEASE_HELD;
    made.owner_pid = pid;
    made.owner_start = start;
    made.expires_ns = expires;
    return made;
}

/// At time 1,000 ns, with one process: PID 7, started at 70.
Surroundings surroundings() {
    return {[] { return instant(1000); },
            [](const ProcessId& process) { return process == ProcessId{7, 70}; }};
}

}  // namespace

TEST_CASE("lease records: a lease ends with its owner or its time to live") {
    CHECK_FALSE(is_over(lease(7, 70, 0), surroundings()));
    CHECK_FALSE(is_over(lease(7, 70, 1001), surroundings()));
    CHECK(is_over(lease(7, 70, 1000), surroundings()));
    CHECK(is_over(lease(8, 70, 0), surroundings()));
    CHECK(is_over(lease(7, 71, 0), surroundings()));
    CHECK_FALSE(is_over(lease(0, 0, 1001), surroundings()));
    CHECK(is_over(lease(0, 0, 999), surroundings()));
    CHECK(is_over(lease(0, 0, 0), surroundings()));
}

TEST_CASE("lease records: held during renewal, not before the record is complete") {
    auto record = lease(7, 70, 0);
    CHECK(is_held(record));
    CHECK(generation_of(record) == Generation(9));
    for (const auto& [state, held] : {std::pair{KSMS_LEASE_FREE, false},
                                      {KSMS_LEASE_BUSY, false},
                                      {KSMS_LEASE_CLAIMED, false},
                                      {KSMS_LEASE_CHANGING, true}}) {
        record.state = 9ull << 8 | state;
        CHECK(is_held(record) == held);
    }
}

TEST_CASE("lease records: the holder's name, including one that fills the field") {
    auto record = lease(7, 70, 0);
    std::strcpy(record.job, "web-1");
    std::strcpy(record.user, "alice");
    CHECK(holder_of(record) == "job web-1 of alice (pid 7)");
    record.owner_pid = 0;
    CHECK(holder_of(record) == "job web-1 of alice (no process)");
    std::memset(record.job, 'x', sizeof record.job);
    CHECK(job_of(record) == std::string(sizeof record.job, 'x'));
}
