// SPDX-License-Identifier: BSD-2-Clause
#include "output/json.hpp"

#include <set>
#include <string_view>

#include "output/hint.hpp"
#include "output/trail_json.hpp"
#include "output/words.hpp"

namespace ksms {
void service_fields(JsonWriter& json, const Service& service) {
    json.field("port", service.port);
    json.field("protocol", protocol_name(service.protocol));
}

void place_and_hook(JsonWriter& json, const Report& report, const DropSite& dropped, bool here) {
    json.key("place").text_or_null(here ? report.words[dropped.place] : "");
    json.key("hook").text_or_null(here ? hook_name(dropped.hook) : "");
}

std::optional<bool> reached(const ServiceReport& service) {
    return service.arrival.known() ? std::optional(service.arrival.reached) : std::nullopt;
}

namespace {

/// Services in their order, each as an object that begins with its port. What is the same as the
/// one before but for the port is not put into words again.
class ServiceRows {
public:
    explicit ServiceRows(JsonWriter& json) : json_(json) {}

    /// @param like  it is the same but for the port, if that is of the same protocol
    template <typename Rest>
    void add(const Service& service, bool like, const Rest& rest) {
        json_.numbered("port", service.port, like && service.protocol == protocol_, [&] {
            json_.field("protocol", protocol_name(service.protocol));
            rest();
        });
        protocol_ = service.protocol;
    }

private:
    JsonWriter& json_;
    std::uint8_t protocol_{0};  ///< of the one before; 0: there is none
};

bool alike(const ServiceReport& service, ServiceReport before) {
    before.service = service.service;
    return service == before;
}

bool alike(const ServiceAtRouter& answer, ServiceAtRouter before) {
    before.service = answer.service;
    return answer == before;
}

/// @param number  of the service in the report
/// @param entry   whose answer it is; "": that of all
void end_to_end(JsonWriter& json, const Report& report, const ServiceReport& service,
                std::size_t number, const std::string& entry) {
    json.field("result", name_of(service.result));
    const bool dropped = service.result == Verdict::no;
    json.key("stopped_at").text_or_null(stopped_at(report, service));
    json.key("reason").text_or_null(reason_text(report, service));
    place_and_hook(json, report, service.cause.dropped, dropped);
    json.key("answer").text_or_null(dropped ? reply_text(service.cause.reply) : "");
    json.key("why").text_or_null(why_text(report, service));
    json.key("notes").strings(notes_text(report, service));
    json.field("sent", service.sent);
    if (report.probed) json.field("proof", service.by_class ? "class" : "probe");
    write_trail(json, report, number, entry);
}

void write_services(JsonWriter& json, const Report& report, const std::vector<ServiceReport>& all,
                    const std::string& entry) {
    json.key("services").begin_array();
    ServiceRows rows(json);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const bool like = i > 0 && report.trails.empty() && alike(all[i], all[i - 1]);
        rows.add(all[i].service, like, [&] { end_to_end(json, report, all[i], i, entry); });
    }
    json.end_array();
}

void counted(JsonWriter& json, const char* direction, std::uint32_t packets, std::uint32_t bytes) {
    json.key(direction).begin_object();
    json.field("packets", packets).field("bytes", bytes);
    json.end_object();
}

void at_router(JsonWriter& json, const Report& report, const ServiceAtRouter& answer) {
    json.field("result", name_of(answer.result));
    counted(json, "ingress", answer.ingress_packets, answer.ingress_bytes);
    counted(json, "egress", answer.egress_packets, answer.egress_bytes);
    json.key("reason").text_or_null(reason_text(report, answer));
    place_and_hook(json, report, answer.dropped, answer.result == Verdict::no);
    json.key("answer").text_or_null(reply_text(answer.reply));
    if (answer.iface != kNoText) json.field("iface", report.texts[answer.iface]);
    if (answer.strangers > 0) json.field("strangers", answer.strangers);
    json.key("notes").strings(notes_text(report, answer));
}

void router(JsonWriter& json, const Report& report, const RouterReport& at) {
    json.begin_object();
    json.field("name", at.name);
    json.key("iface").text_or_null(at.iface);
    json.key("ingress_iface").text_or_null(at.ingress_iface);
    json.field("entry", at.entry).field("hop", at.hop);
    json.key("services").begin_array();
    ServiceRows rows(json);
    const ServiceAtRouter* before = nullptr;
    for (const auto& answer : at.services) {
        if (!answer.on_path) continue;
        rows.add(report.services[answer.service].service,
                 before != nullptr && alike(answer, *before),
                 [&] { at_router(json, report, answer); });
        before = &answer;
    }
    json.end_array().end_object();
}

void arrival(JsonWriter& json, const Report& report, const ServiceReport& service) {
    json.field("reached", reached(service));
    const auto why = arrival_text(report, service);
    if (!why.empty()) json.field("why", why);
    const auto delivery = delivery_name(service);
    if (!delivery.empty()) json.field("delivery", std::string(delivery));
}

void write_arrivals(JsonWriter& json, const Report& report) {
    json.key("destination_reached").begin_array();
    ServiceRows rows(json);
    const ServiceReport* before = nullptr;
    for (const auto& service : report.services) {
        rows.add(service.service, before != nullptr && alike(service, *before),
                 [&] { arrival(json, report, service); });
        before = &service;
    }
    json.end_array();
}

void entry_figures(JsonWriter& json, const Report& report, const EntryReport& entry) {
    std::set<std::string_view> routers;
    for (const auto& router : report.routers)
        if (router.entry == entry.name) routers.insert(router.name);
    json.key("summary").begin_object();
    json.field("services", entry.services.size()).field("routers", routers.size());
    json.field("yes", count(entry.services, Verdict::yes));
    json.field("no", count(entry.services, Verdict::no));
    json.field("unknown", count(entry.services, Verdict::unknown));
    json.end_object();
}

void figures(JsonWriter& json, const Report& report) {
    json.key("summary").begin_object();
    json.field("services", report.services.size()).field("routers", report.router_count);
    json.field("yes", report.yes).field("no", report.no).field("unknown", report.unknown);
    if (!report.by_entry.empty()) json.field("mixed", report.mixed);
    if (report.probed) {
        json.field("probed", *report.probed);
        json.field("by_class", report.services.size() - *report.probed);
    }
    json.end_object();
    const auto& t = report.timing;
    const auto time = [&](const char* key, Milliseconds value) {
        json.key(key).value(value.count(), kDecimals);
    };
    json.key("timing_ms").begin_object();
    time("plan", t.plan);
    time("attach", t.attach);
    time("probe", t.probe);
    time("settle", t.settle);
    time("total", t.total);
    json.end_object();
}

std::string document(const std::function<void(JsonWriter&)>& content, bool pretty) {
    std::string text;
    {
        JsonWriter json([&text](std::string_view piece) { text += piece; }, pretty);
        json.begin_object();
        content(json);
        json.end_object();
    }
    return text;
}

}  // namespace

void write_entries(JsonWriter& json, const Report& report) {
    json.key("entries");
    if (report.by_entry.empty()) {
        json.strings(report.entries);
        return;
    }
    json.begin_array();
    for (const auto& entry : report.by_entry) {
        json.begin_object().field("entry", entry.name);
        write_services(json, report, entry.services, entry.name);
        entry_figures(json, report, entry);
        json.end_object();
    }
    json.end_array();
}

void write_scan_json(const Report& report, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object();
    json.field("schema", "ksms.scan/1").field("state", name_of(report.state));
    json.field("source", report.source.text()).field("destination", report.destination.text());
    json.field("mode", report.mode).field("job", report.job).field("dscp", report.dscp);
    json.field("carried_dscp", report.carried_dscp);
    write_entries(json, report);
    write_services(json, report, report.services, "");
    json.key("routers").begin_array();
    for (const auto& at : report.routers) router(json, report, at);
    json.end_array();
    write_arrivals(json, report);
    figures(json, report);
    json.key("warnings").strings(report.warnings);
    json.key("failure").text_or_null(failure_text(report));
    json.key("hint").text_or_null(hint_text(report));
    json.end_object();
}

std::string error_json(const Error& error, bool pretty) {
    return document(
        [&error](JsonWriter& json) {
            json.field("schema", "ksms.error/1").key("error").begin_object();
            json.field("code", name_of(error.code)).field("message", error.text());
            json.key("hint").text_or_null(error.hint);
            json.end_object();
        },
        pretty);
}

std::string information_json(const std::string& schema, const std::string& key,
                             const std::string& text, bool pretty) {
    return document([&](JsonWriter& json) { json.field("schema", schema).field(key, text); },
                    pretty);
}

}  // namespace ksms
