// SPDX-License-Identifier: BSD-2-Clause
#include "output/plan.hpp"

#include <fmt/format.h>

#include <map>

#include "output/layout.hpp"

namespace ksms {
namespace {

struct EndWords {
    PathEnd end;
    const char *name, *text;
};
constexpr EndWords kEnds[] = {
    {PathEnd::destination, "destination", "it reaches the destination's link"},
    {PathEnd::local, "local", "the last router accepts it"},
    {PathEnd::leaves_machine, "leaves_machine", "it leaves this machine"},
    {PathEnd::no_route, "no_route", "it ends: no route"},
    {PathEnd::refused, "refused", "it ends: refused by a route"},
    {PathEnd::no_next_hop, "no_next_hop", "it ends: nobody owns the next hop"},
    {PathEnd::link_down, "link_down", "it ends: the link is down"},
    {PathEnd::loop, "loop", "it ends: a loop"},
    {PathEnd::onward, "onward", "to the next router"},
    {PathEnd::not_forwarding, "not_forwarding", "it ends: the last namespace does not forward"},
};

const EndWords& words_of(PathEnd end) {
    for (const auto& words : kEnds)
        if (words.end == end) return words;
    return kEnds[0];
}

/// The services of an entry by path.
std::map<std::uint32_t, std::vector<Service>> paths_of(const ScanRequest& request, const Plan& plan,
                                                       std::size_t entry) {
    std::map<std::uint32_t, std::vector<Service>> paths;
    const auto numbers = plan.numbers();
    for (std::size_t i = 0; i < numbers.services(); ++i)
        paths[plan.path_of[numbers.probe(entry, i)]].push_back(request.services[i]);
    return paths;
}

std::string hop_text(const Plan& plan, const PlanHop& hop) {
    const auto& name = plan.routers[hop.router].netns.name();
    return fmt::format("{} [{} > {}]", name, hop.ingress.name.empty() ? "-" : hop.ingress.name,
                       hop.local                 ? "itself"
                       : hop.egress.name.empty() ? "-"
                                                 : hop.egress.name);
}

std::string path_text(const Plan& plan, const PlanPath& path) {
    std::string text;
    for (const auto& hop : path.hops) text += " -> " + hop_text(plan, hop);
    return text + "; " + (path.detail.empty() ? words_of(path.end).text : path.detail);
}

std::vector<std::string> names_of(const std::vector<PlanInterface>& interfaces) {
    std::vector<std::string> names;
    for (const auto& interface : interfaces) names.push_back(interface.name);
    return names;
}

void path_json(JsonWriter& json, const Plan& plan, std::size_t entry, const PlanPath& path,
               const std::vector<Service>& services) {
    json.begin_object();
    json.field("entry", plan.entries[entry].name());
    json.key("services").strings(service_ranges(services));
    json.key("hops").begin_array();
    for (const auto& hop : path.hops) {
        json.begin_object();
        json.field("router", plan.routers[hop.router].netns.name());
        json.key("ingress_iface").text_or_null(hop.ingress.name);
        json.key("iface").text_or_null(hop.egress.name);
        json.field("local", hop.local);
        json.end_object();
    }
    json.end_array();
    json.field("end", words_of(path.end).name);
    json.key("detail").text_or_null(path.detail);
    json.end_object();
}

void neighbour_json(JsonWriter& json, const PlanNeighbour& neighbour) {
    json.begin_object();
    json.field("netns", neighbour.netns.name());
    json.field("iface", neighbour.interface.name).field("address", neighbour.address.text());
    json.field("is_destination", neighbour.is_destination);
    json.end_object();
}

}  // namespace

std::string plan_text(const ScanRequest& request, const Plan& plan, std::size_t width) {
    std::vector<std::string> entries;
    for (const auto& entry : plan.entries) entries.push_back(entry.netns.name());
    std::string text =
        wrapped_text(printable(fmt::format("{} ({}) -> {}   {} service{}   nothing is sent",
                                           request.source.text(), joined(entries, ", "),
                                           request.destination.text(), request.services.size(),
                                           request.services.size() == 1 ? "" : "s")),
                     width, 2) +
        "\n";
    for (std::size_t entry = 0; entry < plan.entries.size(); ++entry) {
        for (const auto& [path, services] : paths_of(request, plan, entry)) {
            text += "\n" + wrapped_text(joined(service_ranges(services), " "), width, 0) + "\n  ";
            text += wrapped_text(printable(entries[entry] + path_text(plan, plan.paths[path])),
                                 width, 4);
            text += "\n";
        }
    }
    Table table({"ROUTER", "TAPS ON", ""});
    for (const auto& router : plan.routers)
        table.add({router.netns.name(), joined(names_of(router.interfaces), " "),
                   router.wanted ? "" : "not judged"});
    return text + "\n" + table.text(width);
}

void write_plan_json(const ScanRequest& request, const Plan& plan, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object();
    json.field("schema", "ksms.plan/1");
    json.field("source", request.source.text()).field("destination", request.destination.text());
    json.field("mode", plan.isolated ? "isolated" : "path");
    json.key("services").begin_array();
    for (const auto& service : request.services) {
        json.begin_object();
        json.field("port", service.port).field("protocol", protocol_name(service.protocol));
        json.end_object();
    }
    json.end_array().key("entries").begin_array();
    for (const auto& entry : plan.entries) {
        json.begin_object().field("name", entry.netns.name());
        json.key("interfaces").strings(names_of(entry.interfaces)).end_object();
    }
    json.end_array().key("routers").begin_array();
    for (const auto& router : plan.routers) {
        json.begin_object().field("name", router.netns.name()).field("judged", router.wanted);
        json.key("interfaces").strings(names_of(router.interfaces)).end_object();
    }
    json.end_array().key("paths").begin_array();
    for (std::size_t entry = 0; entry < plan.entries.size(); ++entry)
        for (const auto& [path, services] : paths_of(request, plan, entry))
            path_json(json, plan, entry, plan.paths[path], services);
    json.end_array().key("neighbours").begin_array();
    for (const auto& neighbour : plan.neighbours) neighbour_json(json, neighbour);
    json.end_array().key("warnings").strings(plan.warnings);
    json.end_object();
}

}  // namespace ksms
