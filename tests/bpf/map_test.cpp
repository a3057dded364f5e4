// SPDX-License-Identifier: BSD-2-Clause
// Reading whole maps.
#include <bpf/bpf.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <map>

#include "bpf/map.hpp"

using namespace ksms;

namespace {

RawMap make_hash(std::uint32_t entries) {
    Fd fd(bpf_map_create(BPF_MAP_TYPE_HASH, "ksms_test", sizeof(std::uint64_t),
                         sizeof(std::uint32_t), entries, nullptr));
    REQUIRE(fd);
    return {std::move(fd), "test", sizeof(std::uint64_t), sizeof(std::uint32_t), entries};
}

void fill(const RawMap& map, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t key = std::uint64_t{i} << 33;
        REQUIRE(map.update(&key, &i, Update::create));
    }
}

/// How often each pair was met, by its key.
std::map<std::uint64_t, int> met(const RawMap& map, bool erase) {
    std::map<std::uint64_t, int> seen;
    const auto read = map.for_each([&](const void* key, const void* value) {
        std::uint64_t k = 0;
        std::uint32_t v = 0;
        __builtin_memcpy(&k, key, sizeof k);
        __builtin_memcpy(&v, value, sizeof v);
        CHECK(k == std::uint64_t{v} << 33);
        ++seen[k];
        if (erase) CHECK(map.erase(&k).value_or(false));
    });
    CHECK(read);
    return seen;
}

}  // namespace

TEST_CASE("maps: every pair of a hash is met once, however many there are") {
    // None, fewer than one call takes, and several calls; nearly full, so that buckets are long.
    for (const std::uint32_t count : {0U, 1U, 5U, 1023U, 1024U, 1025U, 5000U}) {
        INFO(count);
        const auto map = make_hash(5000);
        fill(map, count);
        const auto seen = met(map, false);
        CHECK(seen.size() == count);
        for (const auto& [key, times] : seen) CHECK(times == 1);
    }
}

TEST_CASE("maps: a small hash, whose buckets have more than the first call takes") {
    const auto map = make_hash(3);
    fill(map, 3);
    CHECK(met(map, false).size() == 3);
}

TEST_CASE("maps: what is met may be deleted") {
    const auto map = make_hash(5000);
    fill(map, 4000);
    CHECK(met(map, true).size() == 4000);
    CHECK(met(map, false).empty());
}
