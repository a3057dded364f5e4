// SPDX-License-Identifier: BSD-2-Clause
// The values of http/service.hpp in the heads of messages (front/frames.hpp), both ways.
//
//   the front asks     {"ask": WHAT, "number": N, "client": C, …}   submit: the body behind it
//     it wants no more {"unwatch": N}; a connection is closed: {"gone": C}
//   ksmsd replies      {"reply": N, "ok": …} or {"reply": N, "problem": …}   documents behind it
//     an event of a watch  {"event": N, "sequence": …, "name": …}   its data behind it
//   both               ksmsd {"ping": true}, the front {"pong": true}; ksmsd {"stop": MILLISECONDS}
//
// What the front says is not believed: ksmsd takes it for a client's word. Readers of what it sends
// return nothing where a field is missing, of another kind, or not what the HTTP API lets in.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "http/service.hpp"

namespace ksms {

[[nodiscard]] nlohmann::json json_of(const Caller& caller);
[[nodiscard]] nlohmann::json json_of(const Problem& problem);
[[nodiscard]] nlohmann::json json_of(const JobQuery& query);

/// Of ksmsd, which is believed.
[[nodiscard]] Caller read_caller(const nlohmann::json& head);
[[nodiscard]] Problem read_problem(const nlohmann::json& head);

/// Of the front.
[[nodiscard]] std::optional<std::uint64_t> read_number(const nlohmann::json& head, const char* key);
[[nodiscard]] std::optional<std::string> read_text(const nlohmann::json& head, const char* key);
[[nodiscard]] std::optional<JobQuery> read_query(const nlohmann::json& head);

}  // namespace ksms
