// SPDX-License-Identifier: BSD-2-Clause
// --mode isolated: every router on the way, or every one named, is an entry of its own that is
// given the probes where the way enters it.
#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "judge/plan.hpp"
#include "ksms/abi.h"
#include "route/classes.hpp"
#include "route/injection.hpp"
#include "route/plan_parts.hpp"
#include "route/tracer.hpp"

namespace ksms {
namespace {

constexpr std::uint8_t kFirstTtl = 64;

/// Where to inject, in numbers of the network.
struct Place {
    std::size_t netns{0};
    std::uint32_t ifindex{0};
    std::uint32_t hop{1};
    std::string source{};                     ///< the namespace that its way begins in; "": none
    std::vector<bool> services{};             ///< that enter the router there; empty: all
    std::optional<Segment::Endpoint> from{};  ///< the interface that sends it there, if known
    [[nodiscard]] bool serves(std::size_t service) const {
        return services.empty() || services[service];
    }
};

class IsolatedPlanner {
public:
    IsolatedPlanner(Network& network, const ScanRequest& request, std::uint8_t tos,
                    std::uint16_t source_port)
        : network_(network),
          request_(request),
          tos_(tos),
          source_port_(source_port),
          tracer_(network, request.source, request.destination, tos, source_port) {
        plan_.isolated = true;
    }

    Result<Plan> run() {
        KSMS_CHECK(check_addresses(request_));
        KSMS_CHECK(find_places());
        KSMS_CHECK(check_size());
        KSMS_CHECK(build_routers());
        KSMS_CHECK(build_paths());
        const auto left_out = network_.left_out();
        if (!left_out.empty() &&
            std::ranges::find(plan_.warnings, left_out) == plan_.warnings.end())
            plan_.warnings.push_back(left_out);
        return std::move(plan_);
    }

private:
    Status find_places() {
        for (const auto& name : request_.inject) KSMS_CHECK(place_at(name));
        if (request_.routers.empty() && !request_.inject.empty()) return {};
        // The whole way; which routers of it are wanted is decided here.
        auto whole = request_;
        whole.isolated = false;
        whole.routers.clear();
        auto way = make_plan(network_, whole, tos_, source_port_);
        std::set<std::size_t> wanted;
        for (const auto& name : request_.routers) {
            KSMS_TRY(const auto number, network_.find(name));
            wanted.insert(number);
        }
        if (way) {
            plan_.warnings = way->warnings;
            place_along(*way, wanted);
        } else if (wanted.empty() || way.error().code == Code::usage) {
            auto error = way.error();
            if (error.code == Code::not_found)
                error.hint += "; --router NETNS or --inject ROUTER:INTERFACE need no source";
            return std::unexpected(std::move(error));
        }
        for (const auto number : wanted)
            if (std::ranges::find(places_, number, &Place::netns) == places_.end())
                KSMS_CHECK(place_by_the_way_back(number));
        return {};
    }

    /// --inject ROUTER:INTERFACE
    Status place_at(const std::string& name) {
        const auto colon = name.rfind(':');
        if (colon == std::string::npos || colon == 0 || colon + 1 == name.size())
            return fail(Code::usage, fmt::format("--inject {}: not ROUTER:INTERFACE", name));
        KSMS_TRY(const auto number, network_.find(name.substr(0, colon)));
        KSMS_TRY(const auto* interfaces, network_.interfaces(number));
        const auto link = std::ranges::find(interfaces->links, name.substr(colon + 1), &Link::name);
        if (link == interfaces->links.end() || link->loopback)
            return fail(Code::not_found,
                        fmt::format("--inject {}: {} has no interface {} that packets come in by",
                                    name, network_.netns(number).name(), name.substr(colon + 1)),
                        "`ip link` in that namespace shows them");
        add({number, link->ifindex});
        return {};
    }

    void add(Place place) {
        const bool known = std::ranges::any_of(places_, [&](const Place& each) {
            return each.netns == place.netns && each.ifindex == place.ifindex &&
                   (each.source == place.source || each.source.empty());
        });
        if (!known) places_.push_back(std::move(place));
    }

    /// A router that is on no way from the source: where it would send answers, it expects
    /// questions.
    Status place_by_the_way_back(std::size_t number) {
        RouteQuestion back;
        back.destination = request_.source;
        KSMS_TRY(const auto answer, network_.route(number, back));
        if (answer.error != 0 || answer.type != RTN_UNICAST)
            return fail(
                Code::failed,
                fmt::format("{} has no route back to {}: its ingress interface is not known",
                            network_.netns(number).name(), request_.source.text()),
                "--inject ROUTER:INTERFACE says where");
        add({number, answer.oif});
        return {};
    }

    /// In the order of the way. A router that two ways enter is two places, also where they enter
    /// it by one interface: what comes there depends on the routers before.
    void place_along(const Plan& way, const std::set<std::size_t>& wanted) {
        const auto numbers = way.numbers();
        std::map<std::tuple<std::size_t, std::size_t, std::uint32_t>, Place> found;
        for (std::size_t entry = 0; entry < way.entries.size(); ++entry) {
            for (std::size_t service = 0; service < numbers.services(); ++service) {
                const auto& hops = way.paths[way.path_of[numbers.probe(entry, service)]].hops;
                const auto most =
                    request_.entry_only ? std::min<std::size_t>(hops.size(), 1) : hops.size();
                for (std::uint32_t hop = 0; hop < most; ++hop) {
                    const auto router = hops[hop].router;
                    const auto ingress = hops[hop].ingress.ifindex;
                    auto& place = found[{entry, router, ingress}];
                    if (place.services.empty())
                        place = {way.routers[router].netns.number(),
                                 ingress,
                                 hop + 1,
                                 way.entries[entry].netns.name(),
                                 std::vector<bool>(numbers.services()),
                                 sender_to(way, entry, service, hop)};
                    place.services[service] = true;
                }
            }
        }
        std::vector<Place> order;
        for (auto& [key, place] : found) {
            if (!wanted.empty() && !wanted.contains(place.netns)) continue;
            order.push_back(std::move(place));
        }
        std::ranges::stable_sort(order, {}, &Place::hop);
        for (auto& place : order) add(std::move(place));
    }

    /// Which interface sends it to this router of its way.
    static std::optional<Segment::Endpoint> sender_to(const Plan& way, std::size_t entry,
                                                      std::size_t service, std::uint32_t hop) {
        const auto& path = way.paths[way.path_of[way.numbers().probe(entry, service)]];
        const auto* before = hop == 0 ? nullptr : &path.hops[hop - 1];
        const auto& by = before == nullptr ? path.leaves : before->egress;
        const auto& netns =
            before == nullptr ? way.entries[entry].netns : way.routers[before->router].netns;
        if (by.ifindex == 0) return std::nullopt;
        return Segment::Endpoint{netns.number(), by.ifindex};
    }

    Status check_size() const {
        if (places_.size() <= KSMS_MAX_ENTRIES &&
            places_.size() * request_.services.size() <= KSMS_MAX_PROBES)
            return {};
        return fail(
            Code::usage,
            fmt::format("{} services at {} routers are more than the {} probes (or {} "
                        "routers) of one isolated scan",
                        request_.services.size(), places_.size(), static_cast<int>(KSMS_MAX_PROBES),
                        static_cast<int>(KSMS_MAX_ENTRIES)),
            "name fewer routers with --router, or fewer services");
    }

    Status build_routers() {
        for (const auto& place : places_) {
            KSMS_TRY(auto injection, injection_of(place));
            PlanEntry entry;
            entry.netns = plan_netns(network_, place.netns);
            entry.injection = std::move(injection);
            entry.source = place.source;
            entry.source_is_router = true;
            plan_.entries.push_back(std::move(entry));
            if (router_of_.contains(place.netns)) continue;
            PlanRouter router;
            router.netns = plan_netns(network_, place.netns);
            KSMS_TRY(router.interfaces, tap_interfaces(network_, place.netns));
            router_of_.emplace(place.netns, plan_.routers.size());
            plan_.routers.push_back(std::move(router));
            KSMS_TRY(const auto* rules, network_.rules(place.netns, request_.source.family));
            plan_.routed_dscps |= caught_dscps(*rules);
        }
        return {};
    }

    Result<PlanInjection> injection_of(const Place& place) {
        KSMS_TRY(auto injection, injection_at(network_, {place.netns, place.ifindex}, place.from));
        injection.ttl =
            static_cast<std::uint8_t>(kFirstTtl - std::min<std::uint32_t>(place.hop - 1, 63));
        injection.hop = place.hop;
        return injection;
    }

    Status build_paths() {
        ServiceClasses classes(request_.services);
        for (const auto& [netns, router] : router_of_) {
            KSMS_TRY(const auto* rules, network_.rules(netns, request_.source.family));
            classes.refine(*rules);
        }
        const auto class_of = classes.classes();
        std::vector<std::size_t> representatives;
        for (std::size_t i = 0; i < class_of.size(); ++i)
            if (class_of[i] == representatives.size()) representatives.push_back(i);
        WaySurroundings surroundings(
            network_, request_.destination, plan_,
            [this](std::size_t netns) { return router_of_.contains(netns); });
        PlanPath elsewhere;
        elsewhere.elsewhere = true;
        const auto no_path = index_of(std::move(elsewhere));
        for (std::size_t at = 0; at < places_.size(); ++at) {
            const auto& place = places_[at];
            const auto& impossible = plan_.entries[at].injection->impossible;
            std::vector<std::uint32_t> path_of_class;
            for (const auto representative : representatives) {
                KSMS_TRY(auto path, path_at(place, impossible, request_.services[representative],
                                            surroundings));
                path_of_class.push_back(index_of(std::move(path)));
            }
            for (std::size_t i = 0; i < class_of.size(); ++i)
                plan_.path_of.push_back(place.serves(i) ? path_of_class[class_of[i]] : no_path);
        }
        lead_nowhere();
        for (const auto& next : tracer_.neighbours()) KSMS_CHECK(surroundings.note_neighbour(next));
        return surroundings.finish();
    }

    /// A service whose way has no router at all: its first entry says so.
    void lead_nowhere() {
        const auto services = plan_.numbers().services();
        for (std::size_t service = 0; service < services; ++service) {
            const bool anywhere = std::ranges::any_of(
                places_, [&](const Place& place) { return place.serves(service); });
            if (anywhere) continue;
            PlanPath none;
            none.end = PathEnd::no_route;
            none.detail = "no router is on its way";
            plan_.path_of[service] = index_of(std::move(none));
        }
    }

    std::uint32_t index_of(PlanPath path) {
        auto same = std::ranges::find(plan_.paths, path);
        if (same == plan_.paths.end())
            same = plan_.paths.insert(plan_.paths.end(), std::move(path));
        return static_cast<std::uint32_t>(same - plan_.paths.begin());
    }

    /// @param impossible  see PlanInjection
    Result<PlanPath> path_at(const Place& place, const std::string& impossible,
                             const Service& service, WaySurroundings& surroundings) {
        const auto& router = network_.netns(place.netns).name();
        KSMS_TRY(const auto* interfaces, network_.interfaces(place.netns));
        const auto* link = interfaces->link(place.ifindex);
        PlanPath path;
        // What is injected there would be forwarded all the same, and judged as if it were up.
        if (link == nullptr || !link->up || !link->carrier) {
            path.end = PathEnd::link_down;
            path.detail = fmt::format("{}: {} is down", router, link == nullptr ? "" : link->name);
            return path;
        }
        KSMS_TRY(const auto trace, tracer_.trace_one(place.netns, place.ifindex, service));
        const auto& hop = trace.hops.front();
        path.end = trace.end;
        path.detail = trace.detail;
        path.refusal = trace.refusal;
        PlanHop planned{router_of_.at(place.netns), {place.ifindex, link->name}, {}, hop.local};
        if (hop.egress != 0) {
            KSMS_TRY(planned.egress, interface_of(network_, place.netns, hop.egress));
            planned.egress.tunnel |= hop.wraps;
        }
        path.hops.push_back(std::move(planned));
        KSMS_CHECK(surroundings.note(trace));
        if (!impossible.empty()) {
            path.no_entry = true;
            path.detail = impossible;
        }
        return path;
    }

    Network& network_;
    const ScanRequest& request_;
    std::uint8_t tos_;
    std::uint16_t source_port_;
    Tracer tracer_;
    Plan plan_;
    std::vector<Place> places_;
    std::map<std::size_t, std::size_t> router_of_;  ///< number in the network -> in the plan
};

}  // namespace

Result<Plan> make_isolated_plan(Network& network, const ScanRequest& request, std::uint8_t tos,
                                std::uint16_t source_port) {
    return IsolatedPlanner(network, request, tos, source_port).run();
}

}  // namespace ksms
