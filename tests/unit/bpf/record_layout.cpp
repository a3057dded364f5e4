// SPDX-License-Identifier: BSD-2-Clause
// Fields of a record by the types of its map.
#include "bpf/record_layout.hpp"

#include <linux/btf.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>
#include <vector>

using namespace ksms;

namespace {

/// struct record { unsigned int first; unsigned int second; }
/// @param second  where the name of the second field is said to be
std::vector<std::uint8_t> types(std::uint32_t second) {
    constexpr char names[] = "\0unsigned int\0record\0first\0second";
    struct {
        btf_type number{1, BTF_KIND_INT << 24, {4}};
        std::uint32_t bits{32};
        btf_type record{14, BTF_KIND_STRUCT << 24 | 2, {8}};
        btf_member members[2]{{21, 1, 0}, {0, 1, 32}};
    } content;
    content.members[1].name_off = second;
    const btf_header header{BTF_MAGIC,      BTF_VERSION,    0,           sizeof(btf_header), 0,
                            sizeof content, sizeof content, sizeof names};
    std::vector<std::uint8_t> bytes(sizeof header + sizeof content + sizeof names);
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, &content, sizeof content);
    std::memcpy(bytes.data() + sizeof header + sizeof content, names, sizeof names);
    return bytes;
}

constexpr std::uint32_t kSecond = 27, kRecord = 2;

}  // namespace

TEST_CASE("record layout: a field is found by its name, wherever it is") {
    const auto layout = RecordLayout::parse(types(kSecond), kRecord, 8, "the pin");
    REQUIRE(layout);
    const std::vector<std::uint8_t> value{1, 0, 0, 0, 'a', 'b', 0, 'c'};
    CHECK(layout->number(value, "first") == 1);
    CHECK(layout->text(value, "second") == "ab");
    const auto missing = layout->number(value, "third");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message == "the values of the pin have no field third");
}

TEST_CASE("record layout: a field that reaches beyond the value is none") {
    const auto layout = RecordLayout::parse(types(kSecond), kRecord, 7, "the pin");
    REQUIRE(layout);
    CHECK(layout->number(std::vector<std::uint8_t>(7), "first"));
    CHECK_FALSE(layout->number(std::vector<std::uint8_t>(7), "second"));
}

TEST_CASE("record layout: a field may have no name, and types may be none") {
    const auto layout = RecordLayout::parse(types(1000), kRecord, 8, "the pin");
    REQUIRE(layout);
    CHECK_FALSE(layout->number(std::vector<std::uint8_t>(8), "second"));
    CHECK_FALSE(RecordLayout::parse(std::vector<std::uint8_t>(8), kRecord, 8, "the pin"));
    // Types that are not aligned.
    auto bytes = types(kSecond);
    bytes.insert(bytes.begin() + sizeof(btf_header), 2, 0);
    bytes[offsetof(btf_header, hdr_len)] += 2;
    CHECK_FALSE(RecordLayout::parse(bytes, kRecord, 8, "the pin"));
}
