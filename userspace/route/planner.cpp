// SPDX-License-Identifier: BSD-2-Clause
#include "judge/plan.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "ksms/abi.h"
#include "route/classes.hpp"
#include "route/detour.hpp"
#include "route/plan_parts.hpp"
#include "route/tracer.hpp"

namespace ksms {
namespace {

/// Multicast, or 255.255.255.255.
bool is_group(const Address& address) {
    if (address.family == AF_INET6) return address.bytes[0] == 0xff;
    return (address.bytes[0] & 0xf0) == 0xe0 ||
           std::ranges::all_of(address.bytes.begin(), address.bytes.begin() + 4,
                               [](std::uint8_t byte) { return byte == 0xff; });
}

}  // namespace

Status check_addresses(const ScanRequest& request) {
    if (request.source.family != request.destination.family)
        return fail(Code::usage,
                    fmt::format("{} and {} are of different families", request.source.text(),
                                request.destination.text()),
                    "give two IPv4 or two IPv6 addresses");
    if (request.source == request.destination)
        return fail(Code::usage,
                    fmt::format("{} is source and destination", request.source.text()));
    for (const auto& address : {request.source, request.destination})
        if (address.family == AF_INET6 && address.is_link_local())
            return fail(Code::usage,
                        address.text() + " is a link-local address: no router forwards it",
                        "give a global address");
    if (is_group(request.destination))
        return fail(Code::usage,
                    fmt::format("{} is a {} address", request.destination.text(),
                                request.destination.bytes[0] == 0xff &&
                                        request.destination.family == AF_INET
                                    ? "broadcast"
                                    : "multicast"),
                    "give the address of a host");
    if (request.services.empty()) return fail(Code::usage, "no service to probe", "-P names them");
    return {};
}

namespace {

/// The addresses that people may have meant: those with the longest common prefix.
std::string nearest_owner(Network& network, const Address& wanted) {
    std::string best;
    std::size_t most = 1;
    for (std::size_t i = 0; i < network.size(); ++i) {
        const auto interfaces = network.interfaces(i);
        if (!interfaces) continue;
        for (const auto& each : (*interfaces)->addresses) {
            const auto& address = each.prefix.address;
            if (address.family != wanted.family || address.is_link_local()) continue;
            std::size_t common = 0;
            while (common < address.size() && address.bytes.at(common) == wanted.bytes.at(common))
                ++common;
            if (common < most || common == address.size()) continue;
            if (common > most || best.empty())
                best = fmt::format("{} ({})", address.text(), network.netns(i).name());
            most = common;
        }
    }
    return best.empty() ? "--source-netns NETNS says where to send from" : "the nearest is " + best;
}

class Planner {
public:
    Planner(Network& network, const ScanRequest& request, std::uint8_t tos,
            std::uint16_t source_port, std::span<const Detour> detours)
        : network_(network),
          request_(request),
          detours_(detours),
          tracer_(network, request.source, request.destination, tos, source_port) {}

    Result<Plan> run() {
        KSMS_CHECK(check_addresses(request_));
        KSMS_CHECK(find_entries());
        if (entries_.size() > KSMS_MAX_ENTRIES ||
            entries_.size() * request_.services.size() > KSMS_MAX_PROBES)
            return fail(
                Code::usage,
                fmt::format("{} services from {} entries are more than the {} probes of one scan",
                            request_.services.size(), entries_.size(),
                            static_cast<int>(KSMS_MAX_PROBES)),
                "name one entry with --source-netns, or fewer services");
        KSMS_CHECK(trace_all());
        KSMS_CHECK(some_way());
        warn_of_idle_entries();
        KSMS_CHECK(build_entries());
        KSMS_CHECK(build_routers());
        KSMS_CHECK(build_paths());
        KSMS_CHECK(choose_routers());
        KSMS_CHECK(find_routed_dscps());
        if (const auto left_out = network_.left_out(); !left_out.empty())
            plan_.warnings.push_back(left_out);
        return std::move(plan_);
    }

private:
    Status find_entries() {
        if (!request_.source_netns.empty()) {
            KSMS_TRY(const auto number, network_.find(request_.source_netns));
            entries_.push_back(number);
            KSMS_TRY(const auto* interfaces, network_.interfaces(number));
            if (!interfaces->owns(request_.source))
                plan_.warnings.push_back(fmt::format(
                    "{} does not own {}", network_.netns(number).name(), request_.source.text()));
            return {};
        }
        for (std::size_t i = 0; i < network_.size(); ++i) {
            const auto interfaces = network_.interfaces(i);
            if (interfaces && (*interfaces)->owns(request_.source)) entries_.push_back(i);
            if (!interfaces && interfaces.error().code != Code::not_allowed)
                return std::unexpected(interfaces.error());
        }
        if (entries_.empty()) {
            auto hint = nearest_owner(network_, request_.source);
            if (const auto left_out = network_.left_out(); !left_out.empty())
                hint += "; " + left_out;
            return fail(Code::not_found,
                        fmt::format("no namespace owns the source {}", request_.source.text()),
                        hint);
        }
        return {};
    }

    /// Until no router on the way has a rule that tells services apart which were taken together.
    Status trace_all() {
        ServiceClasses classes(request_.services);
        std::set<std::size_t> refined(entries_.begin(), entries_.end());
        for (const auto entry : entries_) KSMS_CHECK(refine(classes, entry));
        while (true) {
            class_of_ = classes.classes();
            KSMS_CHECK(trace_classes());
            bool finer = false;
            for (const auto router : tracer_.asked()) {
                if (!refined.insert(router).second) continue;
                KSMS_TRY(const auto* rules, network_.rules(router, request_.source.family));
                finer |= classes.refine(*rules);
            }
            if (!finer) break;
        }
        for (const auto representative : representatives_)
            KSMS_CHECK(tracer_.explore_marks(request_.services[representative]));
        for (const auto& detour : detours_) {
            KSMS_TRY(const auto from, number_of(network_, detour.netns));
            KSMS_CHECK(tracer_.explore_detour(from, detour));
        }
        plan_.goes_on = !detours_.empty();
        return {};
    }

    Status refine(ServiceClasses& classes, std::size_t netns) {
        KSMS_TRY(const auto* rules, network_.rules(netns, request_.source.family));
        classes.refine(*rules);
        return {};
    }

    Status trace_classes() {
        representatives_.clear();
        traces_.clear();
        for (std::size_t i = 0; i < class_of_.size(); ++i)
            if (class_of_[i] == representatives_.size()) representatives_.push_back(i);
        for (const auto entry : entries_) {
            for (const auto representative : representatives_) {
                KSMS_TRY(auto trace, tracer_.trace(entry, request_.services[representative]));
                traces_.push_back(std::move(trace));
            }
        }
        return {};
    }

    Status some_way() const {
        const bool any =
            std::ranges::any_of(traces_, [](const Trace& trace) { return !trace.hops.empty(); });
        if (any) return {};
        const auto& first = traces_.front();
        const auto code = first.end == PathEnd::local ? Code::usage : Code::failed;
        const bool direct = first.end == PathEnd::destination;
        return fail(code,
                    direct ? fmt::format("there is no router between {} and {}: they share a link",
                                         request_.source.text(), request_.destination.text())
                           : "no router is on the way: " + first.detail,
                    direct ? "ksms judges routers; a direct link needs none"
                           : "`ip route get` in the source's namespace shows the same; "
                             "--source-netns names another");
    }

    /// Of several entries one may have no way at all: it would be missing without a word.
    void warn_of_idle_entries() {
        if (entries_.size() == 1) return;
        for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
            std::set<std::string> told;
            for (std::size_t i = 0; i < representatives_.size(); ++i) {
                const auto& trace = traces_[entry * representatives_.size() + i];
                if (trace.hops.empty() && told.insert(trace.detail).second)
                    plan_.warnings.push_back(fmt::format("from {} no router is on the way: {}",
                                                         network_.netns(entries_[entry]).name(),
                                                         trace.detail));
            }
        }
    }

    Status build_entries() {
        for (const auto entry : entries_) {
            PlanEntry result;
            result.netns = plan_netns(network_, entry);
            KSMS_TRY(result.interfaces, tap_interfaces(network_, entry));
            result.source_is_router =
                std::ranges::find(tracer_.routers(), entry) != tracer_.routers().end();
            plan_.entries.push_back(std::move(result));
        }
        return {};
    }

    Status build_routers() {
        for (const auto number : tracer_.routers()) {
            if (router_of_.size() == KSMS_MAX_ROUTERS) {
                plan_.warnings.push_back(fmt::format("more than {} routers: the rest is not judged",
                                                     static_cast<int>(KSMS_MAX_ROUTERS)));
                break;
            }
            PlanRouter router;
            router.netns = plan_netns(network_, number);
            KSMS_TRY(router.interfaces, tap_interfaces(network_, number));
            KSMS_TRY(const auto* addresses, network_.interfaces(number));
            router.owns_destination = addresses->owns(request_.destination);
            router_of_.emplace(number, plan_.routers.size());
            plan_.routers.push_back(std::move(router));
        }
        plan_.first.resize(entries_.size());
        for (const auto& [from, behind] : tracer_.next()) {
            const auto router = router_of_.find(from.first);
            const auto entry = std::ranges::find(entries_, from.first);
            for (const auto number : behind) {
                const auto next = router_of_.find(number);
                if (next == router_of_.end()) continue;
                if (router != router_of_.end())
                    plan_.next[{router->second, from.second}].push_back(next->second);
                if (entry != entries_.end())
                    plan_.first[static_cast<std::size_t>(entry - entries_.begin())].push_back(
                        next->second);
            }
        }
        return {};
    }

    Status build_paths() {
        WaySurroundings surroundings(network_, request_.destination, plan_,
                                     [this](std::size_t netns) { return is_own(netns); });
        std::vector<std::uint32_t> path_of_trace;
        for (std::size_t number = 0; number < traces_.size(); ++number) {
            const auto& trace = traces_[number];
            PlanPath path;
            path.end = trace.end;
            path.detail = trace.detail;
            path.refusal = trace.refusal;
            path.by_socket = trace.by_socket;
            const auto entry = number / representatives_.size();
            // What passes its own source once more is seen leaving by other interfaces too.
            if (trace.leaves != 0 && !plan_.entries[entry].source_is_router) {
                KSMS_TRY(path.leaves, interface_of(network_, entries_[entry], trace.leaves));
            }
            for (const auto& hop : trace.hops) {
                KSMS_TRY(auto ingress, interface_of(network_, hop.netns, hop.ingress));
                PlanInterface egress;
                if (hop.egress != 0) {
                    KSMS_TRY(egress, interface_of(network_, hop.netns, hop.egress));
                    egress.tunnel |= hop.wraps;
                }
                path.hops.push_back(
                    {router_of_.at(hop.netns), std::move(ingress), std::move(egress), hop.local});
            }
            KSMS_CHECK(surroundings.note(trace));
            auto same = std::ranges::find(plan_.paths, path);
            if (same == plan_.paths.end())
                same = plan_.paths.insert(plan_.paths.end(), std::move(path));
            path_of_trace.push_back(static_cast<std::uint32_t>(same - plan_.paths.begin()));
        }
        for (std::size_t entry = 0; entry < entries_.size(); ++entry)
            for (std::size_t i = 0; i < class_of_.size(); ++i)
                plan_.path_of.push_back(
                    path_of_trace[entry * representatives_.size() + class_of_[i]]);
        for (const auto& next : tracer_.neighbours()) KSMS_CHECK(surroundings.note_neighbour(next));
        return surroundings.finish();
    }

    bool is_own(std::size_t number) const {
        return router_of_.contains(number) || std::ranges::find(entries_, number) != entries_.end();
    }

    Status choose_routers() {
        plan_.entry_only = request_.entry_only;
        if (request_.entry_only) {
            for (auto& router : plan_.routers) router.wanted = false;
            for (const auto& path : plan_.paths)
                if (!path.hops.empty()) plan_.routers[path.hops.front().router].wanted = true;
        }
        if (request_.routers.empty()) return {};
        std::set<std::size_t> named;
        for (const auto& name : request_.routers) {
            KSMS_TRY(const auto number, network_.find(name));
            const auto found = router_of_.find(number);
            if (found != router_of_.end() && plan_.routers[found->second].wanted)
                named.insert(found->second);
            else
                plan_.warnings.push_back(
                    fmt::format("--router {}: it is {}", name,
                                found == router_of_.end() ? "on no path" : "the first of no path"));
        }
        for (std::size_t i = 0; i < plan_.routers.size(); ++i)
            plan_.routers[i].wanted = named.contains(i);
        if (!named.empty()) return {};
        return fail(Code::not_found,
                    fmt::format("none of the routers named is {}",
                                request_.entry_only ? "the first on a way" : "on the way"),
                    "--dry-run without --router shows the way");
    }

    Status find_routed_dscps() {
        for (const auto netns : tracer_.asked()) {
            KSMS_TRY(const auto* rules, network_.rules(netns, request_.source.family));
            plan_.routed_dscps |= caught_dscps(*rules);
        }
        return {};
    }

    Network& network_;
    const ScanRequest& request_;
    std::span<const Detour> detours_;
    Tracer tracer_;
    Plan plan_;
    std::vector<std::size_t> entries_;          ///< numbers in the network
    std::vector<std::uint32_t> class_of_;       ///< per service
    std::vector<std::size_t> representatives_;  ///< per class: a service
    std::vector<Trace> traces_;                 ///< entry * classes + class
    std::map<std::size_t, std::size_t> router_of_;
};

bool same_way(const Plan& a, const PlanPath& first, const Plan& b, const PlanPath& second) {
    return std::ranges::equal(first.hops, second.hops, [&](const PlanHop& x, const PlanHop& y) {
        return a.routers[x.router].netns.inode() == b.routers[y.router].netns.inode() &&
               x.egress.ifindex == y.egress.ifindex;
    });
}

}  // namespace

bool note_dscp_routed(const Plan& marked, Plan& plain) {
    if (marked.path_of.size() != plain.path_of.size()) return true;
    std::vector<bool> routed;
    for (std::size_t i = 0; i < plain.path_of.size(); ++i)
        routed.push_back(!same_way(plain, plain.paths[plain.path_of[i]], marked,
                                   marked.paths[marked.path_of[i]]));
    if (std::ranges::find(routed, true) == routed.end()) return false;
    plain.dscp_routed = std::move(routed);
    return true;
}

Result<Plan> make_plan(Network& network, const ScanRequest& request, std::uint8_t tos,
                       std::uint16_t source_port, std::span<const Detour> detours) {
    if (request.isolated) return make_isolated_plan(network, request, tos, source_port);
    return Planner(network, request, tos, source_port, detours).run();
}

}  // namespace ksms
