// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/job_text.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.hpp"
#include "daemon/order.hpp"

namespace ksms {
namespace {

using nlohmann::json;

json time_of(double seconds) {
    return seconds > 0 ? json(seconds) : json(nullptr);
}

}  // namespace

std::string job_text(const Job& job, bool with_result) {
    const json head{{"id", job.id},
                    {"type", name_of(job.type)},
                    {"user", job.user},
                    {"state", name_of(job.state)},
                    {"submitted_at", job.submitted_at},
                    {"started_at", time_of(job.started_at)},
                    {"finished_at", time_of(job.finished_at)},
                    {"dscp", job.dscp ? json(*job.dscp) : json(nullptr)}};
    auto text = dump(head);
    text.pop_back();
    // These are JSON texts already, and the result may be large: they are not parsed.
    const auto put = [&text](std::string_view key, std::string_view document) {
        text += ",\"";
        text += key;
        text += "\":";
        text += document.empty() ? std::string_view("null") : trimmed(document, "\n");
    };
    put("request", job.request);
    put("result", with_result ? std::string_view(job.result) : std::string_view());
    put("error", job.error);
    return text + "}";
}

std::string job_state_text(const Job& job) {
    return dump({{"id", job.id}, {"state", name_of(job.state)}});
}

std::string canonical(const std::string& request) {
    return dump(json::parse(request, nullptr, false));
}

}  // namespace ksms
