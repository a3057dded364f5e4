// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <string_view>

/// Collects what a writer passes to its sink.
template <typename Write>
std::string written(const Write& write) {
    std::string text;
    write([&text](std::string_view piece) { text += piece; });
    return text;
}
