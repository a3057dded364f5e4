// SPDX-License-Identifier: BSD-2-Clause
// What must be so, whatever the input is.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <span>
#include <string_view>

#include "base/text.hpp"

namespace ksms::fuzz {

/// Where it is not so the program ends, and libFuzzer keeps the input.
inline void holds(bool condition, std::source_location where = std::source_location::current()) {
    if (condition) return;
    std::fprintf(stderr, "%s:%u: this does not hold\n", where.file_name(), where.line());
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Is it UTF-8? Else it breaks the JSON that it is put into.
inline bool is_utf8(std::string_view text) {
    return valid_utf8(text) == text;
}

}  // namespace ksms::fuzz
