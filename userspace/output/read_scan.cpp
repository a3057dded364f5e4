// SPDX-License-Identifier: BSD-2-Clause
#include "output/read_scan.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <concepts>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace ksms {
namespace {

using nlohmann::json;

/// "" for null, and for what is not there.
std::string text(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A whole number that fits, 0 where there is none of that name. Throws where it is no such number:
/// the library would convert -1, 0.5 and 1e300 without a word.
template <std::unsigned_integral Number>
Number number(const json& object, const char* key) {
    const auto value = object.value(key, json(0U));
    if (!value.is_number_unsigned()) throw std::range_error(key);
    const auto whole = value.get<std::uint64_t>();
    if (whole > std::numeric_limits<Number>::max()) throw std::range_error(key);
    return static_cast<Number>(whole);
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
    result.port = number<std::uint16_t>(object, "port");
    if (result.port == 0) throw std::range_error("port");
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
    result.sent = number<std::uint32_t>(object, "sent");
    return result;
}

ServiceAtRouter at_router(const json& object, std::uint32_t index) {
    ServiceAtRouter result;
    result.service = index;
    result.result = verdict(object);
    const auto counted = [&object](const char* direction, const char* what) {
        return number<std::uint32_t>(object.at(direction), what);
    };
    result.ingress_packets = counted("ingress", "packets");
    result.ingress_bytes = counted("ingress", "bytes");
    result.egress_packets = counted("egress", "packets");
    result.egress_bytes = counted("egress", "bytes");
    result.strangers = number<std::uint32_t>(object, "strangers");
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
    result.hop = number<std::uint32_t>(object, "hop");
    result.services.resize(numbers.size());
    for (std::uint32_t i = 0; i < result.services.size(); ++i) {
        result.services[i].service = i;
        result.services[i].on_path = false;
    }
    for (const auto& each : object.at("services")) {
        const auto of = service(each);
        const auto index = numbers.at({of.protocol, of.port});
        result.services[index] = at_router(each, index);
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
    report.dscp = number<std::uint8_t>(document, "dscp");
    report.entries = document.at("entries").get<std::vector<std::string>>();
    Numbers numbers;
    for (const auto& each : document.at("services")) {
        report.services.push_back(end_to_end(each));
        const auto& of = report.services.back().service;
        const auto index = static_cast<std::uint32_t>(numbers.size());
        if (!numbers.emplace(std::pair(of.protocol, of.port), index).second)
            throw std::range_error("a service is there twice");
    }
    for (const auto& each : document.at("routers")) report.routers.push_back(router(each, numbers));
    std::size_t reached = 0;
    for (const auto& each : document.at("destination_reached")) {
        auto& end = report.services.at(reached++);
        if (each.at("reached").is_boolean()) end.reached = each["reached"].get<bool>();
        end.reached_why = text(each, "why");
    }
    const auto& summary = document.at("summary");
    report.yes = number<std::uint32_t>(summary, "yes");
    report.no = number<std::uint32_t>(summary, "no");
    report.unknown = number<std::uint32_t>(summary, "unknown");
    report.router_count = number<std::uint32_t>(summary, "routers");
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
    // The library takes a NUL for the end of the text.
    const bool whole = document.find('\0') == std::string_view::npos;
    try {
        const auto parsed = json::parse(document);
        if (whole && text(parsed, "schema") == "ksms.scan/1") return report_of(parsed);
    } catch (const std::exception&) {
        return fail(Code::failed, "the result is no document of a scan");
    }
    return fail(Code::failed, "the result is no document of a scan");
}

}  // namespace ksms
