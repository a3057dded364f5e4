// SPDX-License-Identifier: BSD-2-Clause
#include "cli/exit_status.hpp"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>

#include "explain/explain.hpp"
#include "output/words.hpp"

namespace ksms {
namespace {

using nlohmann::json;

bool has_one_of(const Report& report, const std::set<Verdict>& verdicts) {
    const auto any = [&](const std::vector<ServiceReport>& services) {
        return std::ranges::any_of(
            services, [&](const auto& service) { return verdicts.contains(service.result); });
    };
    return any(report.services) || std::ranges::any_of(report.by_entry, [&](const auto& entry) {
               return any(entry.services);
           });
}

/// @param result  a scan's document, or what one has of an entry or service
bool has_one_of(const json& result, const std::set<Verdict>& verdicts) {
    const auto word = result.value("result", "");
    if (std::ranges::any_of(verdicts, [&](Verdict each) { return word == name_of(each); }))
        return true;
    for (const char* key : {"services", "entries"}) {
        const auto list = result.find(key);
        if (list == result.end()) continue;
        for (const auto& each : *list)
            if (each.is_object() && has_one_of(each, verdicts)) return true;
    }
    return false;
}

int all_unknown(Context& context, const std::string& failure) {
    context.console.error({Code::failed, 0, "every verdict is UNKNOWN: " + failure, {}});
    return static_cast<int>(Code::failed);
}

int expected(bool met) {
    return met ? static_cast<int>(Code::expectation) : 0;
}

}  // namespace

int exit_status(const Error& error, int signal) {
    if (error.err == EPIPE) return 128 + SIGPIPE;
    return signal != 0 ? 128 + signal : static_cast<int>(error.code);
}

int exit_status(Context& context, const Report& report, const std::set<Verdict>& fail_on) {
    if (const int signal = context.stop.load(); signal != 0) return 128 + signal;
    if (report.all_unknown()) return all_unknown(context, failure_text(report));
    return expected(has_one_of(report, fail_on));
}

int exit_status(Context& context, const Explanation& result) {
    if (const int signal = context.stop.load(); signal != 0) return 128 + signal;
    const auto failure = failure_text(result);
    return failure.empty() ? 0 : all_unknown(context, failure);
}

int exit_status(const json& result, const std::set<Verdict>& fail_on) {
    return expected(has_one_of(result, fail_on));
}

}  // namespace ksms
