// SPDX-License-Identifier: BSD-2-Clause
// The heads of the messages between ksmsd and the HTTP process (front/frames.hpp). Bodies,
// documents and the data of events follow the head as bytes.
//
//   front -> ksmsd   {"ask": WHAT, "number": N, "client": C, …}      submit: the body follows
//                    {"unwatch": N}                                  ends a watch
//                    {"gone": C}                                     a connection is closed
//   ksmsd -> front   {"reply": N, "ok": …}                           the document follows
//                    {"reply": N, "problem": …}
//                    {"event": N, "sequence": …, "name": …}          an event of a watch, data
//                    follows
//                    {"ping": true}, answered by {"pong": true};  {"stop": MILLISECONDS}
//
// ksmsd does not trust the front: it treats a message like a client's request. The functions that
// read messages of the front return nothing if a field is missing, has another type or is not valid
// in the HTTP API.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "http/service.hpp"

namespace ksms {

// What ksmsd sends. The front trusts it.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Caller, client, uid, gid, pid, user, may_submit,
                                                trusted, anonymous)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Problem, status, type, title, detail, hint,
                                                retry_after)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SubmittedJob, id, state, created)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(JobDocument, finished)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ServiceHealth, healthy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CallerNames, user, member)

// What the front sends.
[[nodiscard]] nlohmann::json json_of(const JobQuery& query);
[[nodiscard]] std::optional<std::uint64_t> read_number(const nlohmann::json& head, const char* key);
[[nodiscard]] std::optional<std::string> read_text(const nlohmann::json& head, const char* key);
[[nodiscard]] std::optional<JobQuery> read_query(const nlohmann::json& head);

}  // namespace ksms
