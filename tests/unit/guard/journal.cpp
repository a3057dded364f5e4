// SPDX-License-Identifier: BSD-2-Clause
#include "guard/journal.hpp"

#include <catch2/catch.hpp>

using namespace ksms;

namespace {

JournalItem item(std::uint32_t pid, std::uint64_t start, std::uint32_t number) {
    JournalItem result;
    result.key = {.start = start, .pid = pid, .number = number};
    result.entry.kind = KSMS_DID_FILTER;
    return result;
}

}  // namespace

TEST_CASE("journal: entries of a process are returned newest first") {
    const auto journal =
        Journal::of({item(10, 1, 2), item(10, 1, 4'000'000'000), item(10, 1, 1), item(10, 1, 3)});
    REQUIRE(journal.owners.size() == 1);
    std::vector<std::uint32_t> numbers;
    for (const auto& each : journal.owners.at({10, 1})) numbers.push_back(each.key.number);
    CHECK(numbers == std::vector<std::uint32_t>{4'000'000'000, 3, 2, 1});
}

TEST_CASE("journal: a reused PID is another owner") {
    const auto journal = Journal::of({item(10, 1, 1), item(10, 2, 1)});
    CHECK(journal.owners.size() == 2);
    CHECK(journal.owners.at({10, 1}).size() == 1);
}

TEST_CASE("journal: a clsact claim belongs to the interface, not to a process") {
    ksms_journal_entry qdisc{};
    qdisc.kind = KSMS_DID_QDISC;
    qdisc.cookie = 4711;
    qdisc.ifindex = 9;
    const auto key = claim_key(qdisc);
    CHECK(is_claim(key));
    CHECK(key.start == 4711);
    CHECK(key.number == 9);
    const auto journal = Journal::of({{key, qdisc}, item(10, 1, 1)});
    CHECK(journal.claims.size() == 1);
    CHECK(journal.owners.size() == 1);
}
