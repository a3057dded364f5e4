// SPDX-License-Identifier: BSD-2-Clause
// The headers of a request: a line each, its version in the first.
#include "http/headers.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

HttpRequest request_of(std::string_view text) {
    HttpRequest request;
    const auto first = std::min(text.find('\n'), text.size());
    request.version = text.substr(0, first) == "HTTP/1.0" ? 10 : 11;
    for (auto at = first + 1; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        const auto colon = std::min(line.find(':'), line.size());
        request.headers.emplace_back(line.substr(0, colon),
                                     line.substr(std::min(colon + 1, line.size())));
        at = end + 1;
    }
    return request;
}

bool is_a_problem(const std::optional<Problem>& problem) {
    return !problem || (problem->status >= 400 && problem->status < 600);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto request = request_of(text_of(data, size));
    const auto framing = check_framing(request);
    holds(is_a_problem(framing) && is_a_problem(check_json_type(request)));
    if (!framing) {
        // What is let in ends in one place only.
        holds(request.count("Content-Length") + request.count("Transfer-Encoding") <= 1);
        holds(request.count("Host") <= 1);
    }
    if (!has_body(request)) holds(request.count("Transfer-Encoding") == 0);
    for (const auto& [name, value] : request.headers) {
        const auto inside = trimmed(value);
        holds(trimmed(inside) == inside);
        if (is_loopback_authority(value))
            holds(inside.starts_with("127.0.0.1") || inside.starts_with("[::1]") ||
                  same_token(inside.substr(0, 9), "localhost"));
    }
    return 0;
}
