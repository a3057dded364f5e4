// SPDX-License-Identifier: BSD-2-Clause
#include "http/message.hpp"

#include <algorithm>

namespace ksms {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

bool same_token(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

const std::string* HttpRequest::header(std::string_view name) const {
    const auto found =
        std::ranges::find_if(headers, [&](const auto& h) { return same_token(h.first, name); });
    return found == headers.end() ? nullptr : &found->second;
}

std::size_t HttpRequest::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(headers, [&](const auto& h) { return same_token(h.first, name); }));
}

}  // namespace ksms
