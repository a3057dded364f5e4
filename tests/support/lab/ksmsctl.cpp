// SPDX-License-Identifier: BSD-2-Clause
#include "lab/ksmsctl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace ksms::lab {

using nlohmann::json;

Command ksmsctl(const Lab& lab, const std::vector<std::string>& arguments,
                const Environment& environment) {
    Command command;
    command.arguments = {KSMSCTL};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.environment = environment;
    command.environment.insert({"KSMS_PIN_ROOT", lab.pin_root()});
    command.environment.insert({"TMPDIR", lab.directory()});
    command.environment.insert({"KSMS_JOB_DSCP", ""});
    return command;
}

namespace {

/// An UNKNOWN's reason is one of the contract's.
void must_be_reason(const json& service) {
    if (service["result"] != "UNKNOWN") return;
    const auto reason =
        service["reason"].is_string() ? service["reason"].get<std::string>() : std::string();
    for (const std::string_view known : {"stopped_before:", "not_sent:", "state:"})
        if (reason.starts_with(known) && reason.size() > known.size()) return;
    static constexpr std::string_view whole[] = {"lost", "held", "redirected"};
    if (std::ranges::find(whole, reason) == std::end(whole))
        throw std::runtime_error("not a reason: " + service.dump());
}

}  // namespace

Scan::Scan(const Lab& lab, Outcome outcome)
    : lab_(lab),
      outcome_(std::move(outcome)),
      document_(json::parse(outcome_.out, nullptr, false)) {
    if (field("schema") != "ksms.scan/1") return;
    auto tables = field("routers");
    tables.push_back(document_);  // its services are those end to end
    for (const auto& table : tables)
        for (const auto& service : table["services"]) must_be_reason(service);
}

std::string Scan::text() const {
    return fmt::format("exit {}{}\n{}{}", outcome_.exit, outcome_.timed_out ? " (timed out)" : "",
                       outcome_.err, outcome_.out.substr(0, 3000));
}

json Scan::field(const std::string& name) const {
    return document_.is_object() ? document_.value(name, json()) : json();
}

int Scan::count(const std::string& figure) const {
    const auto summary = field("summary");
    return summary.is_object() ? summary.value(figure, -1) : -1;
}

std::string Scan::error() const {
    const auto error = field("error");
    return error.is_null() ? "" : error.dump();
}

json Scan::at(const std::string& node, const std::string& protocol, int port,
              const std::string& entry) const {
    if (!document_.is_object() || !document_.contains("routers")) return nullptr;
    for (const auto& router : document_["routers"]) {
        if (router["name"] != lab_.netns(node)) continue;
        if (!entry.empty() && router["entry"] != lab_.netns(entry)) continue;
        for (const auto& service : router["services"])
            if (service["protocol"] == protocol && service["port"] == port) return service;
    }
    return nullptr;
}

std::string Scan::verdict(const std::string& node, const std::string& protocol, int port,
                          const std::string& entry) const {
    const auto row = at(node, protocol, port, entry);
    return row.is_null() ? "-" : row["result"].get<std::string>();
}

json Scan::end(const std::string& protocol, int port, const std::string& entry) const {
    if (!document_.is_object() || !document_.contains("services")) return nullptr;
    const json* services = &document_["services"];
    if (!entry.empty())
        for (const auto& each : document_["entries"])
            if (each.is_object() && each["entry"] == lab_.netns(entry))
                services = &each["services"];
    for (const auto& service : *services)
        if (service["protocol"] == protocol && service["port"] == port) return service;
    return nullptr;
}

std::string Scan::result(const std::string& protocol, int port) const {
    const auto row = end(protocol, port);
    return row.is_null() ? "-" : row["result"].get<std::string>();
}

bool Scan::has_note(const std::string& node, const std::string& protocol, int port,
                    const std::string& beginning) const {
    const auto row = at(node, protocol, port);
    if (row.is_null()) return false;
    for (const auto& note : row["notes"])
        if (note.get<std::string>().starts_with(beginning)) return true;
    return false;
}

std::vector<std::string> scan_arguments(const std::string& source, const std::string& destination,
                                        const std::string& ports,
                                        const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"scan", "-j", "-s", source, "-d", destination, "-P", ports};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

Scan scan(const Lab& lab, const std::string& source, const std::string& destination,
          const std::string& ports, const std::vector<std::string>& more,
          const Environment& environment) {
    return {lab, run(ksmsctl(lab, scan_arguments(source, destination, ports, more), environment))};
}

}  // namespace ksms::lab
