// SPDX-License-Identifier: BSD-2-Clause
#include "http/headers.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "http/problem.hpp"

namespace ksms {
namespace {

/// Calls `see` for each trimmed part until it returns true. Does not handle quoted strings: none of
/// the values that we compare with has a separator.
/// @return whether `see` returned true
template <typename F>
bool any_part(std::string_view list, char separator, F see) {
    while (true) {
        const auto end = std::min(list.find(separator), list.size());
        if (see(trimmed(list.substr(0, end)))) return true;
        if (end == list.size()) return false;
        list.remove_prefix(end + 1);
    }
}

}  // namespace

std::optional<Problem> check_framing(const HttpRequest& request) {
    const auto lengths = request.count("Content-Length");
    const auto encodings = request.count("Transfer-Encoding");
    if (lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0))
        return make_problem(400,
                            "it is not clear where the request ends: Content-Length or "
                            "Transfer-Encoding, and once");
    if (encodings > 0 && request.version < 11)
        return make_problem(400, "HTTP/1.0 has no Transfer-Encoding");
    if (encodings > 0 && !same_token(trimmed(*request.header("Transfer-Encoding")), "chunked"))
        return make_problem(501, "no Transfer-Encoding but chunked is understood");
    const auto hosts = request.count("Host");
    if (hosts > 1 || (hosts == 0 && request.version >= 11))
        return make_problem(400, "one header Host is wanted");
    if (const auto* expect = request.header("Expect");
        expect != nullptr && !same_token(trimmed(*expect), "100-continue"))
        return make_problem(417, "no expectation but 100-continue is understood");
    return std::nullopt;
}

bool has_body(const HttpRequest& request) {
    if (request.header("Transfer-Encoding") != nullptr) return true;
    const auto* length = request.header("Content-Length");
    return length != nullptr && trimmed(*length).find_first_not_of('0') != std::string_view::npos;
}

std::optional<Problem> check_json_type(const HttpRequest& request) {
    const auto* type = request.header("Content-Type");
    const std::string hint = "send Content-Type: application/json (curl --json)";
    if (type == nullptr) return make_problem(415, "the body has no type", hint);
    const std::string_view value = *type;
    if (!same_token(trimmed(value.substr(0, value.find(';'))), "application/json"))
        return make_problem(415, "the body is " + *type + ", not application/json", hint);
    const bool other_charset = any_part(value, ';', [](std::string_view parameter) {
        return same_token(parameter.substr(0, 8), "charset=") &&
               !same_token(parameter.substr(8), "utf-8") &&
               !same_token(parameter.substr(8), "\"utf-8\"");
    });
    if (other_charset) return make_problem(415, "JSON is UTF-8", hint);
    if (const auto* encoding = request.header("Content-Encoding");
        encoding != nullptr && !same_token(trimmed(*encoding), "identity"))
        return make_problem(415, "the body is encoded as " + *encoding, "send it as it is");
    return std::nullopt;
}

bool is_loopback_authority(std::string_view authority) {
    authority = trimmed(authority);
    const auto bracket = authority.rfind(']');
    const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const auto host = authority.substr(0, colon);
    if (colon != std::string_view::npos) {
        const auto port = authority.substr(colon + 1);
        if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
            return false;
    }
    return same_token(host, "localhost") || host == "127.0.0.1" || host == "[::1]";
}

}  // namespace ksms
