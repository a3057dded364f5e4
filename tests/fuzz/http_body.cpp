// SPDX-License-Identifier: BSD-2-Clause
// The body of a request: one JSON object.
#include "holds.hpp"
#include "http/json_body.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

unsigned depth_of(const nlohmann::json& value) {
    unsigned deepest = 0;
    if (value.is_structured())
        for (const auto& each : value) deepest = std::max(deepest, depth_of(each));
    return value.is_structured() ? deepest + 1 : 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = text_of(data, size);
    const auto body = parse_json_body(text);
    if (!body) {
        holds(body.error().status == 400 && !body.error().detail.empty());
        return 0;
    }
    holds(text.find('\0') == std::string_view::npos);
    holds(body->is_object() && depth_of(*body) <= deepest_json);
    // Its strings are UTF-8, so it can be written, and is the same when it is read again.
    const auto again = parse_json_body(body->dump());
    holds(again && *again == *body);
    return 0;
}
