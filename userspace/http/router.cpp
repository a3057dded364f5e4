// SPDX-License-Identifier: BSD-2-Clause
#include "http/router.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace ksms {
namespace {

bool is_id(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._:@+-").find(c) != std::string_view::npos;
    };
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, allowed);
}

/// @return the id in the path, "" if the pattern has none; nothing if the path does not match
std::optional<std::string> fits(const std::vector<std::string>& pattern,
                                const std::vector<std::string>& path) {
    if (pattern.size() != path.size()) return std::nullopt;
    std::string id;
    for (std::size_t i = 0; i < path.size(); ++i) {
        const bool is_place = pattern[i] == "{id}";
        if (is_place ? !is_id(path[i]) : pattern[i] != path[i]) return std::nullopt;
        if (is_place) id = path[i];
    }
    return id;
}

}  // namespace

HttpRouter::HttpRouter(std::vector<HttpRoute> routes) : routes_(std::move(routes)) {
    for (const auto& route : routes_)
        segments_.push_back(parse_target(route.pattern).value_or(HttpTarget{}).segments);
}

std::expected<HttpMatch, HttpMiss> HttpRouter::match(std::string_view method,
                                                     const HttpTarget& target) const {
    HttpMiss miss;
    for (std::size_t i = 0; i < routes_.size(); ++i) {
        const auto& route = routes_[i];
        const auto id = fits(segments_[i], target.segments);
        if (!id) continue;
        const bool head = method == "HEAD" && route.method == "GET";
        if (route.method == method || head) return HttpMatch{&route, *id};
        miss.known_path = true;
        miss.allow += route.method == "GET" ? "GET, HEAD, " : route.method + ", ";
    }
    if (miss.known_path) miss.allow.resize(miss.allow.size() - 2);  // the last separator
    return std::unexpected(std::move(miss));
}

}  // namespace ksms
