// SPDX-License-Identifier: BSD-2-Clause
// The table of fields against docs/openapi.json.
#include "request/fields.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ksms/abi.h"
#include "request/scan_request.hpp"

using namespace ksms;
using nlohmann::json;

namespace {

json number(const char* type, const json& least, const json& most) {
    return {{"type", {type, "string"}}, {"minimum", least}, {"maximum", most}};
}

json text() {
    return {{"type", "string"}, {"minLength", 1}};
}

/// The JSON Schema of a field's value.
struct Schema {
    const Field& field;
    json operator()(const kind::Switch&) const { return {{"type", "boolean"}}; }
    json operator()(const kind::Choice&) const { return {{"enum", choices_in(field.value)}}; }
    json operator()(const kind::Whole& range) const {
        return number("integer", range.least, range.most);
    }
    json operator()(const kind::Seconds& range) const {
        return number("number", range.least, range.most);
    }
    json operator()(const kind::IpAddress&) const { return text(); }
    json operator()(const kind::Dscp&) const { return number("integer", 0, KSMS_DSCPS - 1); }
    json operator()(const kind::JobName& range) const {
        return {{"type", "string"},
                {"pattern", "^[A-Za-z0-9._:@+-]{1," + std::to_string(range.most) + "}$"}};
    }
    json operator()(const kind::NetnsName&) const { return text(); }
    json operator()(const kind::Text& range) const {
        auto schema = text();
        if (range.most < 1000) schema["maxLength"] = range.most;
        return schema;
    }
    json operator()(const kind::Verdicts&) const { return {}; }
};

json schema_of(const Field& field) {
    auto schema = std::visit(Schema{field}, field.kind);
    if (field.repeatable) {
        schema["items"] = text();
        schema["type"] = {"string", "array"};
    }
    return schema;
}

json document() {
    return json::parse(
        std::ifstream(KSMS_SOURCE_DIR "/docs/openapi.json"))["components"]["schemas"];
}

}  // namespace

TEST_CASE("fields: docs/openapi.json has exactly these keys, types and ranges") {
    const auto schemas = document();
    auto documented = schemas["Submission"]["properties"];
    for (auto& schema : documented) {
        if (schema.contains("$ref")) {
            const auto name = schema["$ref"].get<std::string>();
            schema = schemas[name.substr(name.rfind('/') + 1)];
        }
        for (const char* note : {"description", "default", "examples"}) schema.erase(note);
    }
    json wanted = json::object();
    for (const auto& field : fields())
        if ((field.places & in_body) != 0) wanted[key_of(field.name())] = schema_of(field);
    for (const auto& [key, schema] : wanted.items()) {
        INFO(key);
        CHECK(documented.value(key, json()) == schema);
    }
    for (const auto& [key, schema] : documented.items()) {
        INFO(key);
        CHECK(wanted.contains(key));
    }
}

TEST_CASE("fields: docs/openapi.json marks the keys of fast jobs") {
    const auto documented = document()["Submission"]["properties"];
    for (const auto& field : fields()) {
        if ((field.places & in_body) == 0) continue;
        INFO(key_of(field.name()));
        const auto about =
            documented.value(key_of(field.name()), json::object()).value("description", "");
        CHECK(about.ends_with("Fast jobs only.") == ((field.places & in_detailed) == 0));
    }
}

TEST_CASE("fields: docs/openapi.json has the defaults of a request") {
    const auto documented = document()["Submission"]["properties"];
    const auto job = make_job_request(
        {{"source", "10.0.0.1"}, {"destination", "10.0.9.1"}, {"services", "80"}}, {});
    REQUIRE(job);
    for (const auto& [key, schema] : documented.items()) {
        if (!schema.contains("default")) continue;
        INFO(key);
        auto body = json{{"source", "10.0.0.1"}, {"destination", "10.0.9.1"}, {"services", "80"}};
        body[key] = schema["default"];
        const auto same = make_job_request(body, {});
        REQUIRE(same);
        CHECK(same->detailed == job->detailed);
        CHECK(same->services == job->services);
        CHECK(same->isolated == job->isolated);
        CHECK(same->tap == job->tap);
        CHECK(same->timeout == job->timeout);
        CHECK(same->retries == job->retries);
    }
}

TEST_CASE("fields: names, letters and keys are unique") {
    for (const auto place : {in_scan, in_explain, in_submit, in_fast_job, in_detailed}) {
        std::set<std::string> seen;
        for (const auto& field : fields()) {
            if ((field.places & place) == 0) continue;
            const std::string names = field.names;
            CHECK(seen.insert(field.name()).second);
            if (const auto comma = names.find(','); comma != std::string::npos)
                CHECK(seen.insert(names.substr(comma)).second);
        }
    }
}
