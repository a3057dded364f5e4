// SPDX-License-Identifier: BSD-2-Clause
#include "output/read_scan.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace ksms {
namespace {

using nlohmann::json;

/// "" for null, and for what is not there.
std::string text(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

template <typename Value>
Value one_of(const std::string& word, std::initializer_list<Value> values, Value otherwise) {
    const auto found =
        std::ranges::find_if(values, [&](Value value) { return word == name_of(value); });
    return found == values.end() ? otherwise : *found;
}

Verdict verdict(const json& object) {
    return one_of(text(object, "result"), {Verdict::yes, Verdict::no, Verdict::unknown},
                  Verdict::unknown);
}

Service service(const json& object) {
    Service result;
    result.port = object.at("port").get<std::uint16_t>();
    result.protocol = text(object, "protocol") == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    return result;
}

ServiceReport end_to_end(const json& object) {
    ServiceReport result;
    result.service = service(object);
    result.result = verdict(object);
    result.stopped_at = text(object, "stopped_at");
    result.reason = text(object, "reason");
    result.place = text(object, "place");
    result.hook = text(object, "hook");
    result.answer = text(object, "answer");
    result.why = text(object, "why");
    result.notes = object.at("notes").get<std::vector<std::string>>();
    result.sent = object.value("sent", 0U);
    return result;
}

ServiceAtRouter at_router(const json& object, std::uint32_t number) {
    ServiceAtRouter result;
    result.service = number;
    result.result = verdict(object);
    const auto counted = [&object](const char* direction, const char* what) {
        return object.at(direction).value(what, 0U);
    };
    result.ingress_packets = counted("ingress", "packets");
    result.ingress_bytes = counted("ingress", "bytes");
    result.egress_packets = counted("egress", "packets");
    result.egress_bytes = counted("egress", "bytes");
    result.strangers = object.value("strangers", 0U);
    const auto reason = text(object, "reason");
    result.stopped_before = reason.starts_with("stopped_before:");
    result.reason = Name(reason);
    result.place = Name(text(object, "place"));
    result.hook = Name(text(object, "hook"));
    result.answer = Name(text(object, "answer"));
    result.egress_iface = Name(text(object, "iface"));
    result.notes = object.at("notes").get<std::vector<std::string>>();
    return result;
}

using Numbers = std::map<std::pair<std::uint8_t, std::uint16_t>, std::uint32_t>;

RouterReport router(const json& object, const Numbers& numbers) {
    RouterReport result;
    result.name = text(object, "name");
    result.iface = text(object, "iface");
    result.ingress_iface = text(object, "ingress_iface");
    result.entry = text(object, "entry");
    result.hop = object.value("hop", 0U);
    result.services.resize(numbers.size());
    for (std::uint32_t i = 0; i < result.services.size(); ++i) {
        result.services[i].service = i;
        result.services[i].on_path = false;
    }
    for (const auto& each : object.at("services")) {
        const auto of = service(each);
        const auto number = numbers.at({of.protocol, of.port});
        result.services[number] = at_router(each, number);
    }
    return result;
}

Report report_of(const json& document) {
    Report report;
    report.state =
        one_of(text(document, "state"),
               {ScanState::done, ScanState::partial, ScanState::interrupted}, ScanState::partial);
    report.source = Address::parse(text(document, "source")).value();
    report.destination = Address::parse(text(document, "destination")).value();
    report.mode = text(document, "mode");
    report.job = text(document, "job");
    report.dscp = document.value("dscp", std::uint8_t{0});
    report.entries = document.at("entries").get<std::vector<std::string>>();
    Numbers numbers;
    for (const auto& each : document.at("services")) {
        report.services.push_back(end_to_end(each));
        const auto& of = report.services.back().service;
        numbers.emplace(std::pair(of.protocol, of.port),
                        static_cast<std::uint32_t>(numbers.size()));
    }
    for (const auto& each : document.at("routers")) report.routers.push_back(router(each, numbers));
    std::size_t number = 0;
    for (const auto& each : document.at("destination_reached")) {
        auto& end = report.services.at(number++);
        if (each.at("reached").is_boolean()) end.reached = each["reached"].get<bool>();
        end.reached_why = text(each, "why");
    }
    const auto& summary = document.at("summary");
    report.yes = summary.value("yes", 0U);
    report.no = summary.value("no", 0U);
    report.unknown = summary.value("unknown", 0U);
    report.router_count = summary.value("routers", 0U);
    const auto& timing = document.at("timing_ms");
    report.timing = {timing.value("plan", 0.0), timing.value("attach", 0.0),
                     timing.value("probe", 0.0), timing.value("settle", 0.0),
                     timing.value("total", 0.0)};
    report.warnings = document.at("warnings").get<std::vector<std::string>>();
    report.failure = text(document, "failure");
    return report;
}

}  // namespace

Result<Report> read_scan_json(std::string_view document) {
    try {
        const auto parsed = json::parse(document);
        if (text(parsed, "schema") == "ksms.scan/1") return report_of(parsed);
    } catch (const std::exception&) {
        return fail(Code::failed, "the result is no document of a scan");
    }
    return fail(Code::failed, "the result is no document of a scan");
}

}  // namespace ksms
