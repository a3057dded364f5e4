// SPDX-License-Identifier: BSD-2-Clause
#include "front/messages.hpp"

#include "http/query.hpp"

namespace ksms {

using nlohmann::json;

json json_of(const JobQuery& query) {
    json head{{"limit", query.limit}, {"before", query.before}};
    if (query.state) head["state"] = *query.state;
    if (query.type) head["type"] = *query.type;
    if (query.user) head["user"] = *query.user;
    return head;
}

std::optional<std::uint64_t> read_number(const json& head, const char* key) {
    const auto found = head.find(key);
    if (found == head.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

std::optional<std::string> read_text(const json& head, const char* key) {
    const auto found = head.find(key);
    if (found == head.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
}

std::optional<JobQuery> read_query(const json& head) {
    const auto found = head.find("query");
    if (found == head.end() || !found->is_object()) return std::nullopt;
    JobQuery query;
    query.state = read_text(*found, "state");
    query.type = read_text(*found, "type");
    query.user = read_text(*found, "user");
    query.before = read_text(*found, "before").value_or("");
    const auto limit = read_number(*found, "limit").value_or(0);
    query.limit = limit > most_listed ? 0 : static_cast<unsigned>(limit);
    if (check_job_query(query)) return std::nullopt;
    return query;
}

}  // namespace ksms
