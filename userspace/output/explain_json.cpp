// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>

#include "output/explain.hpp"
#include "output/json.hpp"
#include "output/words.hpp"

namespace ksms {
namespace {

void rule_object(JsonWriter& json, const FirewallRule& rule) {
    json.begin_object();
    json.field("firewall", name_of(rule.firewall)).field("family", rule.family);
    json.field("table", rule.table).field("chain", rule.chain).field("policy", rule.policy);
    json.field("number", rule.number);
    json.field("handle", rule.handle);
    json.field("verdict", rule.verdict);
    json.key("text").text_or_null(rule.text);
    json.key("hook").text_or_null(rule.hook);
    json.key("jumps").begin_array();
    for (const auto& jump : rule.jumps) rule_object(json, jump);
    json.end_array().end_object();
}

void rules(JsonWriter& json, const char* name, const std::vector<FirewallRule>& all) {
    json.key(name).begin_array();
    for (const auto& rule : all) rule_object(json, rule);
    json.end_array();
}

void route_object(JsonWriter& json, const std::optional<RouteChoice>& route) {
    json.key("route");
    if (!route) {
        json.null();
        return;
    }
    json.begin_object();
    json.field("taken", route->taken);
    json.key("error").text_or_null(route->error);
    json.key("type").text_or_null(route->type);
    json.key("rule");
    if (route->priority) {
        json.begin_object();
        json.field("priority", *route->priority).field("selector", route->selector);
        json.end_object();
    } else {
        json.null();
    }
    json.key("table").text_or_null(route->table);
    json.key("prefix").text_or_null(route->prefix);
    json.key("next_hop").text_or_null(route->next_hop);
    json.key("device").text_or_null(route->device);
    json.field("metric", route->metric).field("mark", route->mark);
    json.field("several", route->several);
    json.key("detail").text_or_null(route->detail);
    json.end_object();
}

void hook_object(JsonWriter& json, const HookReport& hook) {
    json.begin_object();
    json.field("hook", hook.hook).field("result", name_of(hook.passage));
    json.key("device").text_or_null(hook.device);
    json.field("packets", hook.packets);
    json.field("bytes", hook.bytes);
    rules(json, "chains", hook.chains);
    json.end_object();
}

/// The reason of a hop. The source is no router and has only a drop.
std::string hop_reason(const Report& report, const HopReport& hop) {
    return hop.answer.result == Verdict::no ? hop.drop.reason : reason_text(report, hop.answer);
}

void hop_object(JsonWriter& json, const Report& report, const HopReport& hop) {
    json.begin_object();
    json.field("name", hop.name).field("entry", hop.entry).field("hop", hop.hop);
    json.field("result", name_of(hop.answer.result)).field("rounds", hop.rounds);
    json.key("ingress_iface").text_or_null(hop.ingress_iface);
    json.key("iface").text_or_null(hop.iface);
    json.key("reason").text_or_null(hop_reason(report, hop));
    json.key("place").text_or_null(hop.drop.place);
    json.key("hook").text_or_null(hop.drop.hook);
    json.key("notes").strings(notes_text(report, hop.answer));
    route_object(json, hop.route);
    json.key("hooks").begin_array();
    for (const auto& hook : hop.hooks) hook_object(json, hook);
    json.end_array();
    json.key("rule");
    if (hop.rule)
        rule_object(json, *hop.rule);
    else
        json.null();
    rules(json, "candidates", hop.candidates);
    json.key("rule_unknown").text_or_null(hop.rule_unknown);
    json.end_object();
}

void service_object(JsonWriter& json, const ServiceExplanation& service) {
    const auto& scan = service.scan;
    const auto& end = service.end();
    const bool dropped = end.result == Verdict::no;
    json.begin_object();
    service_fields(json, end.service);
    json.field("result", name_of(end.result));
    json.key("stopped_at").text_or_null(stopped_at(scan, end));
    json.key("reason").text_or_null(reason_text(scan, end));
    place_and_hook(json, scan, end.cause.dropped, dropped);
    json.key("why").text_or_null(why_text(scan, end));
    json.key("notes").strings(notes_text(scan, end));
    json.field("sent", end.sent);
    json.field("reached", reached(end));
    json.key("job").text_or_null(scan.job);
    json.key("dscp");
    scan.job.empty() ? json.null() : json.value(scan.dscp);
    write_entries(json, scan);
    json.key("hops").begin_array();
    for (const auto& hop : service.hops) hop_object(json, scan, hop);
    json.end_array().end_object();
}

}  // namespace

void write_explain_json(const Explanation& result, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object();
    json.field("schema", "ksms.explain/1").field("state", name_of(result.state));
    json.field("source", result.source.text());
    json.field("destination", result.destination.text());
    json.key("services").begin_array();
    for (const auto& service : result.services) service_object(json, service);
    json.end_array();
    json.key("summary").begin_object();
    json.field("services", result.services.size()).field("yes", result.count(Verdict::yes));
    json.field("no", result.count(Verdict::no)).field("unknown", result.count(Verdict::unknown));
    const bool several = std::ranges::any_of(
        result.services, [](const auto& each) { return !each.scan.by_entry.empty(); });
    if (several) json.field("mixed", result.count(Verdict::mixed));
    json.end_object();
    json.key("timing_ms").begin_object();
    json.key("total").value(result.total.count(), kDecimals);
    json.end_object();
    json.key("warnings").strings(result.warnings);
    json.key("failure").text_or_null(failure_text(result));
    json.end_object();
}

}  // namespace ksms
