// SPDX-License-Identifier: BSD-2-Clause
#include "request/scan_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest.hpp"
#include "ksms/abi.h"
#include "request/reading.hpp"

namespace ksms {
namespace {

using nlohmann::json;

/// @param said  how the DSCP was given: "--dscp 70"
Status limit(ScanRequest& request, const RegistryLimits& limits, const std::string& said) {
    request.limits = limits;
    if (!request.dscp) return {};
    const auto dscp = *request.dscp;
    if (dscp >= limits.dscp_min && dscp <= limits.dscp_max && (limits.excluded >> dscp & 1) == 0)
        return {};
    return fail(Code::usage, fmt::format("{}: the configured range is {} to {}{}", said,
                                         limits.dscp_min, limits.dscp_max,
                                         limits.excluded == 0 ? "" : " without ksms.dscp_exclude"));
}

/// The value as written, truncated if it is long.
std::string shown(const json& value) {
    constexpr std::size_t most = 60;
    auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    return text.size() > most ? text.substr(0, most) + "…" : text;
}

/// A scalar as text, as on a command line. @param number  whether it may be a number
Result<Reading::Given> scalar(const std::string& key, const json& value, bool number) {
    const auto wrong = [&](const char* why) {
        return fail(Code::usage, fmt::format("\"{}\": {}: {}", key, shown(value), why));
    };
    if (number && value.is_number()) return Reading::Given{value.dump(), shown(value)};
    if (!value.is_string()) return wrong(number ? "neither a string nor a number" : "not a string");
    auto text = value.get<std::string>();
    if (text.empty()) return wrong("empty");
    if (text.find('\0') != std::string::npos) return wrong("a zero byte in it");
    return Reading::Given{std::move(text), shown(value)};
}

Result<std::vector<Reading::Given>> values_of(const Field& field, const json& value) {
    const auto key = key_of(field.name());
    std::vector<Reading::Given> values;
    if (std::holds_alternative<kind::Switch>(field.kind)) {
        if (!value.is_boolean())
            return fail(Code::usage,
                        fmt::format("\"{}\": {}: neither true nor false", key, shown(value)));
        if (value.get<bool>()) values.push_back({"", "true"});
        return values;
    }
    // Names of jobs and users cannot be numbers.
    const bool number = !std::holds_alternative<kind::JobName>(field.kind) && key != "user";
    const bool several = value.is_array() && field.repeatable;
    for (const auto& each : several ? value.get<std::vector<json>>() : std::vector<json>{value}) {
        KSMS_TRY(auto one, scalar(key, each, number));
        values.push_back(std::move(one));
    }
    return values;
}

/// @return Code::usage for the first unknown key
Status check_keys(const json& body, Place place) {
    std::vector<std::string> known;
    for (const auto& field : fields())
        if ((field.places & place) != 0) known.push_back(key_of(field.name()));
    for (const auto& [key, value] : body.items())
        if (std::ranges::find(known, key) == known.end())
            return fail(Code::usage, fmt::format("\"{}\": there is no such key", key),
                        key == "job" ? "a job's name is its \"id\"" : did_you_mean(key, known));
    return {};
}

}  // namespace

Result<Asked> make_scan_request(Place place, const Arguments& arguments,
                                const RegistryLimits& limits, const Environment& environment) {
    Reading reading(place);
    for (const auto& field : fields()) {
        if ((field.places & place) == 0) continue;
        std::vector<Reading::Given> values;
        for (const auto& text : arguments.all(field.name())) values.push_back({text, text});
        KSMS_CHECK(reading.take(field, values));
    }
    auto asked = reading.finish();
    const bool lacks_ports =
        reading.has("source") && reading.has("destination") && !reading.has("ports");
    if (!asked && lacks_ports && arguments.has("pretty"))
        asked.error().hint = "did you mean -P? (-p is --pretty)";
    if (!asked || place == in_submit) return asked;
    auto said = reading.has("dscp") ? reading.said("dscp") : std::string();
    if (!asked->dscp && environment.job_dscp) {
        asked->dscp = read_dscp(*environment.job_dscp);
        said = "KSMS_JOB_DSCP " + *environment.job_dscp;
    }
    KSMS_CHECK(limit(*asked, limits, said));
    KSMS_CHECK(surround(*asked, environment));
    return asked;
}

Result<Asked> make_job_request(const json& body, const RegistryLimits& limits) {
    if (!body.is_object()) return fail(Code::usage, "a job is a JSON object");
    const auto place =
        body.contains("type") && body["type"] == "detailed" ? in_detailed : in_fast_job;
    KSMS_CHECK(check_keys(body, place));
    Reading reading(place);
    for (const auto& field : fields()) {
        const auto found = body.find(key_of(field.name()));
        if ((field.places & place) == 0 || found == body.end()) continue;
        KSMS_TRY(const auto values, values_of(field, *found));
        KSMS_CHECK(reading.take(field, values));
    }
    KSMS_TRY(auto asked, reading.finish());
    KSMS_CHECK(limit(asked, limits, reading.has("dscp") ? reading.said("dscp") : ""));
    return asked;
}

json job_body(const Arguments& arguments) {
    auto body = json::object();
    for (const auto& field : fields()) {
        const auto name = field.name();
        if ((field.places & in_submit) == 0 || (field.places & in_body) == 0 ||
            !arguments.has(name))
            continue;
        auto& value = body[key_of(field.name())];
        if (field.value == nullptr)
            value = true;
        else if (field.repeatable)
            value = arguments.all(name);
        else
            value = *arguments.text(name);
    }
    return body;
}

Status limit(ScanRequest& request, const RegistryLimits& limits) {
    return limit(request, limits, fmt::format("\"dscp\": {}", request.dscp.value_or(0)));
}

Status surround(ScanRequest& request, const Environment& environment) {
    request.drops = environment.drops;
    request.sudo_uid = environment.sudo_uid;
    if (!environment.attach) return {};
    if (*environment.attach == "clsact")
        request.way = AttachWay::clsact;
    else if (*environment.attach == "tcx")
        request.way = AttachWay::tcx;
    else
        return fail(Code::usage, fmt::format("KSMS_ATTACH is '{}'", *environment.attach),
                    "it is clsact, tcx or not set");
    return {};
}

}  // namespace ksms
