// SPDX-License-Identifier: BSD-2-Clause
#include "request/job_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/nearest.hpp"
#include "ksms/abi.h"
#include "registry/registry.hpp"
#include "request/explain_request.hpp"
#include "request/scan_request.hpp"

namespace ksms {
namespace {

using nlohmann::json;

/// Of the command line alone.
constexpr std::array<std::string_view, 3> kNotOfJobs{"job", "dry-run", "fail-on"};

std::string key_of(const std::string& option) {
    auto key = option;
    std::ranges::replace(key, '-', '_');
    return key;
}

std::unexpected<Error> wrong(const std::string& key, const json& value, const std::string& why) {
    constexpr std::size_t kShown = 60;
    auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > kShown) text = text.substr(0, kShown) + "…";
    return fail(Code::usage, fmt::format("\"{}\": {}: {}", key, text, why));
}

/// The text of a scalar, as it would stand in a command line.
Result<std::string> scalar(const std::string& key, const json& value) {
    if (value.is_number()) return value.dump();
    if (!value.is_string()) return wrong(key, value, "neither a string nor a number");
    auto text = value.get<std::string>();
    if (text.empty()) return wrong(key, value, "empty");
    if (text.find('\0') != std::string::npos) return wrong(key, value, "a zero byte in it");
    return text;
}

/// Adds one key to a command line.
Status add(const Option& option, const std::string& key, const json& value,
           std::vector<std::string>& line) {
    const auto name = "--" + long_name(option);
    if (option.value == nullptr) {
        if (!value.is_boolean()) return wrong(key, value, "neither true nor false");
        if (value.get<bool>()) line.push_back(name);
        return {};
    }
    const bool several = value.is_array() && option.repeatable;
    const auto values = several ? value.get<std::vector<json>>() : std::vector<json>{value};
    for (const auto& each : values) {
        KSMS_TRY(const auto text, scalar(key, each));
        line.push_back(name + "=" + text);
    }
    return {};
}

Result<std::vector<std::string>> line_of(const json& body, std::span<const Option> options) {
    std::vector<std::string> line, known{"type", "id", "services"};
    for (const auto& option : options) known.push_back(key_of(long_name(option)));
    for (const auto& [key, value] : body.items()) {
        if (key == "type" || key == "id" || key == "user") continue;
        const auto& named = key == "services" ? "ports" : key;
        const auto option = std::ranges::find_if(
            options, [&](const Option& each) { return key_of(long_name(each)) == named; });
        const bool ours = option != options.end() &&
                          std::ranges::find(kNotOfJobs, long_name(*option)) == kNotOfJobs.end();
        if (!ours)
            return fail(Code::usage, fmt::format("\"{}\": there is no such key", key),
                        key == "job" ? "a job's name is its \"id\"" : did_you_mean(key, known));
        KSMS_CHECK(add(*option, key, value, line));
    }
    return line;
}

Result<std::string> text_of(const json& body, const char* key) {
    if (!body.contains(key)) return std::string();
    const auto& value = body[key];
    if (!value.is_string() || value.get<std::string>().empty())
        return wrong(key, value, "not a string with something in it");
    return value.get<std::string>();
}

}  // namespace

Result<JobRequest> make_job_request(const json& body, const Config& config,
                                    const Environment& environment) {
    if (!body.is_object()) return fail(Code::usage, "a job is a JSON object");
    JobRequest job;
    KSMS_TRY(const auto type, text_of(body, "type"));
    if (!type.empty() && type != "fast" && type != "detailed")
        return wrong("type", body["type"], "not \"fast\" or \"detailed\"");
    job.detailed = type == "detailed";
    KSMS_TRY(job.id, text_of(body, "id"));
    constexpr std::size_t longest = 63;
    if (!job.id.empty() && (!is_job_name(job.id) || job.id.size() > longest))
        return wrong("id", body["id"], "not 1 to 63 of A-Z a-z 0-9 . _ : @ + -");
    KSMS_TRY(auto user, text_of(body, "user"));
    if (user.size() >= KSMS_NAME_LENGTH)
        return wrong("user", body["user"],
                     fmt::format("longer than {} bytes", KSMS_NAME_LENGTH - 1));
    if (!user.empty()) job.user = std::move(user);
    for (const char* key : {"source", "destination"})
        if (!body.contains(key)) return fail(Code::usage, fmt::format("\"{}\" is missing", key));
    if (body.contains("services") == body.contains("ports"))
        return fail(Code::usage, body.contains("ports")
                                     ? "\"services\" and \"ports\" are the same: give one"
                                     : "\"services\" is missing");
    const auto options = job.detailed ? explain_options() : scan_options();
    KSMS_TRY(const auto line, line_of(body, options));
    KSMS_TRY(const auto arguments, parse_arguments(options, line));
    KSMS_TRY(job.scan, job.detailed ? make_explain_request(arguments, config, environment)
                                    : make_scan_request(arguments, config, environment));
    return job;
}

}  // namespace ksms
