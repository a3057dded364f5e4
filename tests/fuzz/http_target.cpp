// SPDX-License-Identifier: BSD-2-Clause
// The target of a request, and the parameters in it.
#include "http/target.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "holds.hpp"
#include "http/query.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

std::string encoded(std::string_view text) {
    std::string result;
    for (const char c : text) result += fmt::format("%{:02X}", static_cast<std::uint8_t>(c));
    return result;
}

std::string written(const HttpTarget& target) {
    std::string text;
    for (const auto& segment : target.segments) text += "/" + encoded(segment);
    if (text.empty()) text = "/";
    char before = '?';
    for (const auto& [name, value] : target.query) {
        text += before + encoded(name) + "=" + encoded(value);
        before = '&';
    }
    return text;
}

/// Two readers of UTF-8 agree: base/text.hpp and this room's own.
void compare(std::string_view text) {
    const bool steers = std::ranges::any_of(
        text, [](char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f; });
    holds(is_plain_text(text) == (!steers && is_utf8(text)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = text_of(data, size);
    compare(text);
    const auto target = parse_target(text);
    if (!target) {
        holds(target.error().status == 400);
        return 0;
    }
    holds(target->path.starts_with('/'));
    for (const auto& segment : target->segments) holds(is_plain_text(segment));
    for (const auto& [name, value] : target->query)
        holds(is_plain_text(name) && is_plain_text(value));
    const auto again = parse_target(written(*target));
    holds(again && again->segments == target->segments && again->query == target->query);

    constexpr std::chrono::milliseconds longest{300'000};
    if (const auto wait = parse_wait(*target, longest))
        holds(wait->count() >= 0 && *wait <= longest);
    if (const auto jobs = parse_job_query(*target))
        holds(jobs->limit >= 1 && jobs->limit <= 1000 && jobs->before.size() <= 128);
    return 0;
}
