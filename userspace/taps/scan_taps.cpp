// SPDX-License-Identifier: BSD-2-Clause
// The taps of one scan.
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "bpf/attach.hpp"
#include "os/netlink.hpp"
#include "taps/find_standing.hpp"
#include "taps/netfilter.hpp"
#include "taps/table.hpp"
#include "taps/taps.hpp"
#include "taps/traffic.hpp"

namespace ksms {
namespace {

constexpr std::uint16_t kFirstPriority = 1;

const char* name_of(ksms_direction direction) {
    return direction == KSMS_INGRESS ? "ingress" : "egress";
}

Program program_for(ksms_tap_kind kind, ksms_direction direction) {
    if (kind == KSMS_TAP_XDP) return Program::xdp_ingress;
    if (kind == KSMS_TAP_TCX)
        return direction == KSMS_INGRESS ? Program::tcx_ingress : Program::tcx_egress;
    return direction == KSMS_INGRESS ? Program::clsact_ingress : Program::clsact_egress;
}

constexpr std::size_t kWholeRouter = static_cast<std::size_t>(-1);

}  // namespace

struct ScanTaps::State {
    /// An attached tap, checked again before judging.
    struct Placed {
        std::size_t site;
        std::size_t interface;  ///< index into the site's; kWholeRouter
        ksms_direction direction;
        ksms_tap_kind kind;
        Filter filter;          ///< clsact
        std::uint32_t link{0};  ///< all but clsact
        std::uint32_t id{0};    ///< of its entry in `taps`
    };

    State(const Objects& all, Guard& watched, std::uint8_t mark, AttachWay how, int af,
          const Traffic& flowing)
        : objects(all),
          guard(watched),
          traffic(flowing),
          table(all),
          dscp(mark),
          way(how),
          family(af) {}

    const Objects& objects;
    Guard& guard;
    const Traffic& traffic;
    TapTable table;
    std::uint8_t dscp;
    AttachWay way;
    int family;
    std::vector<Fd> links;
    std::vector<Placed> placed;

    Result<ksms_tap_kind> attach_direction(const TapSite& site, std::size_t number,
                                           Netlink& netlink, ksms_direction direction,
                                           TapHooks hooks);
    Result<bool> use_standing(const TapSite& site, std::size_t number, ksms_direction direction,
                              ksms_tap_kind kind);
    Result<bool> foreign_tcx(const TapSite& site, ksms_direction direction) const;
    Result<ksms_tap_kind> kind_for(const TapSite& site, Netlink& netlink,
                                   ksms_direction direction) const;
    Status attach_links(const TapSite& site, std::size_t number, ksms_direction direction,
                        ksms_tap_kind kind);
    Status attach_link(const TapPlace& place, std::size_t number, std::size_t interface);
    Result<ksms_tap_kind> attach_router(const TapSite& site, std::size_t number,
                                        ksms_direction direction);
    Status attach_filters(const TapSite& site, std::size_t number, Netlink& netlink,
                          ksms_direction direction);
    Status add_filter(const TapSite& site, Netlink& netlink, Filter& filter);
    Status ensure_clsact(const TapSite& site, Netlink& netlink);
    Result<std::string> missing_at(const TapSite& site, std::size_t number) const;
    Result<std::string> missing_link(const TapSite& site, const Placed& tap) const;
    Result<bool> is_entered(const TapSite& site, const Placed& tap) const;
};

Result<bool> ScanTaps::State::use_standing(const TapSite& site, std::size_t number,
                                           ksms_direction direction, ksms_tap_kind kind) {
    KSMS_TRY(auto found, find_standing(table, guard, site, direction, kind));
    for (std::size_t i = 0; i < found.size(); ++i) {
        placed.push_back({number, i, direction, kind, {}, found[i].link_id, found[i].id});
        links.push_back(std::move(found[i].link));
    }
    return !found.empty();
}

Result<bool> ScanTaps::State::foreign_tcx(const TapSite& site, ksms_direction direction) const {
    bool foreign = false;
    KSMS_CHECK(in_netns(*site.netns, [&]() -> Status {
        for (const auto ifindex : site.interfaces) {
            const auto programs = tcx_programs(ifindex, direction);
            if (!programs && programs.error().err == ENODEV) continue;
            if (!programs) return std::unexpected(programs.error());
            foreign |= !programs->empty();
        }
        return {};
    }));
    return foreign;
}

/// A site needs TCX where a foreign TCX program may end the hook before a filter is reached, or an
/// ingress qdisc excludes clsact. Creating a clsact where packets flow would drop some: there a
/// router gets netfilter links, which are attached in microseconds, and a host TCX links, which
/// take a grace period each.
Result<ksms_tap_kind> ScanTaps::State::kind_for(const TapSite& site, Netlink& netlink,
                                                ksms_direction direction) const {
    const bool has_tcx = objects.program(program_for(KSMS_TAP_TCX, direction)) >= 0;
    if (has_tcx) {
        KSMS_TRY(const bool foreign, foreign_tcx(site, direction));
        if (foreign) return KSMS_TAP_TCX;
    }
    KSMS_TRY(const auto all, qdiscs(netlink));
    const auto has = [&](std::uint32_t ifindex, const char* kind) {
        return std::ranges::any_of(all, [&](const Qdisc& qdisc) {
            return qdisc.ifindex == ifindex && qdisc.kind == kind;
        });
    };
    std::vector<std::uint32_t> without_clsact;
    for (const auto ifindex : site.interfaces) {
        if (has_tcx && has(ifindex, "ingress")) return KSMS_TAP_TCX;
        if (!has(ifindex, "clsact")) without_clsact.push_back(ifindex);
    }
    const bool has_netfilter = site.is_router && objects.program(netfilter_program(direction)) >= 0;
    if (without_clsact.empty() || !(has_tcx || has_netfilter)) return KSMS_TAP_CLSACT;
    KSMS_TRY(const bool flows, traffic.flows(site, without_clsact, netlink));
    if (!flows) return KSMS_TAP_CLSACT;
    return has_netfilter ? netfilter_kind(family) : KSMS_TAP_TCX;
}

Status ScanTaps::State::attach_link(const TapPlace& place, std::size_t number,
                                    std::size_t interface) {
    const int program = objects.program(program_for(place.kind, place.direction));
    const bool xdp = place.kind == KSMS_TAP_XDP;
    for (int attempt = 0; attempt < kShareAttempts; ++attempt) {
        KSMS_TRY(auto shared, table.find(place));
        if (shared) {
            if (!shared->standing || shared->kept) KSMS_CHECK(guard.will(did_tap(shared->id)));
            KSMS_TRY(const auto id, link_id(shared->link.get()));
            links.push_back(std::move(shared->link));
            placed.push_back({number, interface, place.direction, place.kind, {}, id, shared->id});
            return {};
        }
        auto link = xdp ? attach_xdp(program, place.ifindex)
                        : attach_tcx(program, place.ifindex, place.direction);
        if (link) {
            KSMS_TRY(const auto id, link_id(link->get()));
            links.push_back(std::move(*link));
            KSMS_TRY(const auto tap, table.add(place, id, 0, &guard));
            placed.push_back({number, interface, place.direction, place.kind, {}, id, tap});
            return {};
        }
        if (link.error().err != EEXIST && link.error().err != EBUSY)
            return std::unexpected(link.error());
        poll(nullptr, 0, 1);
    }
    return fail(Code::failed,
                fmt::format("{} in {} has another {} program already", place.interface,
                            place.netns->name(), xdp ? "XDP" : "TCX"),
                xdp ? "scan with --tap tc" : "scan with KSMS_ATTACH=clsact");
}

Status ScanTaps::State::attach_links(const TapSite& site, std::size_t number,
                                     ksms_direction direction, ksms_tap_kind kind) {
    if (objects.program(program_for(kind, direction)) < 0)
        return fail(Code::failed,
                    kind == KSMS_TAP_XDP ? "this kernel cannot run the XDP tap"
                                         : "this kernel has no TCX (Linux 6.6)",
                    kind == KSMS_TAP_XDP ? "scan with --tap tc" : "scan without KSMS_ATTACH=tcx");
    return in_netns(*site.netns, [&]() -> Status {
        for (std::size_t i = 0; i < site.interfaces.size(); ++i)
            KSMS_CHECK(attach_link({site.netns, site.interfaces[i], site.names[i], direction, kind},
                                   number, i));
        return {};
    });
}

Result<ksms_tap_kind> ScanTaps::State::attach_router(const TapSite& site, std::size_t number,
                                                     ksms_direction direction) {
    const auto place = router_place(*site.netns, direction, family);
    KSMS_TRY(auto tap, attach_router_tap(objects, table, guard, place, family));
    links.push_back(std::move(tap.link));
    placed.push_back({number, kWholeRouter, direction, place.kind, {}, tap.link_id, tap.id});
    return place.kind;
}

Status ScanTaps::State::ensure_clsact(const TapSite& site, Netlink& netlink) {
    KSMS_TRY(const auto all, qdiscs(netlink));
    for (const auto ifindex : site.interfaces) {
        const bool there = std::ranges::any_of(all, [&](const Qdisc& qdisc) {
            return qdisc.ifindex == ifindex && qdisc.kind == "clsact";
        });
        if (there) continue;
        const auto claim = did_qdisc(*site.netns, ifindex);
        KSMS_CHECK(guard.will(claim));
        auto added = add_clsact(netlink, ifindex);
        if (added) continue;
        // EEXIST: another process created it. After any other failure, such as a lost
        // acknowledgement, it may be ours.
        if (added.error().err != EEXIST) return added;
        KSMS_CHECK(guard.forget(claim));
    }
    return {};
}

/// Adds a filter at priority 1, or the next unused priority.
Status ScanTaps::State::add_filter(const TapSite& site, Netlink& netlink, Filter& filter) {
    const int program = objects.program(
        program_for(KSMS_TAP_CLSACT, static_cast<ksms_direction>(filter.direction)));
    const auto direction = static_cast<ksms_direction>(filter.direction);
    const auto claim =
        did_filter(*site.netns, filter.ifindex, direction, filter.priority, filter.handle);
    KSMS_CHECK(guard.will(claim));
    auto added = add_bpf_filter(netlink, filter, program);
    if (added) return {};
    // EEXIST or EINVAL: the place is taken. After any other failure the filter may exist.
    if (added.error().err != EEXIST && added.error().err != EINVAL) return added;
    KSMS_CHECK(guard.forget(claim));
    KSMS_TRY(const auto standing, filters(netlink, filter.ifindex, filter.direction));
    std::set<std::uint16_t> taken;
    for (const auto& other : standing) taken.insert(other.priority);
    auto free = filter.priority;
    while (free != 0 && taken.contains(free)) ++free;
    if (free == 0 || free == filter.priority) return added;
    filter.priority = free;
    return add_filter(site, netlink, filter);
}

Status ScanTaps::State::attach_filters(const TapSite& site, std::size_t number, Netlink& netlink,
                                       ksms_direction direction) {
    KSMS_CHECK(ensure_clsact(site, netlink));
    for (std::size_t i = 0; i < site.interfaces.size(); ++i) {
        const TapPlace place{site.netns, site.interfaces[i], site.names[i], direction,
                             KSMS_TAP_CLSACT};
        KSMS_TRY(const auto id, table.add(place, 0, dscp, &guard));
        Filter filter;
        filter.ifindex = place.ifindex;
        filter.direction = static_cast<std::uint8_t>(direction);
        filter.priority = kFirstPriority;
        filter.handle = filter_handle(direction, dscp);
        filter.name = kFilterName;
        filter.classid = id;
        KSMS_CHECK(add_filter(site, netlink, filter));
        placed.push_back({number, i, direction, KSMS_TAP_CLSACT, filter, 0, id});
    }
    return {};
}

Result<ksms_tap_kind> ScanTaps::State::attach_direction(const TapSite& site, std::size_t number,
                                                        Netlink& netlink, ksms_direction direction,
                                                        TapHooks hooks) {
    if (hooks == TapHooks::netfilter) return attach_router(site, number, direction);
    if (hooks == TapHooks::xdp && direction == KSMS_INGRESS) {
        KSMS_TRY(const bool standing, use_standing(site, number, direction, KSMS_TAP_XDP));
        if (!standing) KSMS_CHECK(attach_links(site, number, direction, KSMS_TAP_XDP));
        return KSMS_TAP_XDP;
    }
    if (way != AttachWay::clsact) {
        KSMS_TRY(const bool standing, use_standing(site, number, direction, KSMS_TAP_TCX));
        if (standing) return KSMS_TAP_TCX;
    }
    auto kind = way == AttachWay::tcx ? KSMS_TAP_TCX : KSMS_TAP_CLSACT;
    if (way == AttachWay::automatic) {
        KSMS_TRY(kind, kind_for(site, netlink, direction));
    }
    if (is_netfilter(kind)) return attach_router(site, number, direction);
    auto done = kind == KSMS_TAP_TCX ? attach_links(site, number, direction, kind)
                                     : attach_filters(site, number, netlink, direction);
    if (!done) return std::unexpected(done.error());
    return kind;
}

ScanTaps::ScanTaps(std::unique_ptr<State> state) : state_(std::move(state)) {}
ScanTaps::ScanTaps(ScanTaps&&) noexcept = default;
ScanTaps& ScanTaps::operator=(ScanTaps&& other) noexcept {
    detach();
    state_ = std::move(other.state_);
    sites_ = std::move(other.sites_);
    return *this;
}
ScanTaps::~ScanTaps() {
    detach();
}

Result<ScanTaps> ScanTaps::attach(const Objects& objects, Guard& guard, std::uint8_t dscp,
                                  AttachWay way, TapHooks hooks, int family, const Traffic& traffic,
                                  const std::vector<TapSite>& sites) {
    ScanTaps taps(std::make_unique<State>(objects, guard, dscp, way, family, traffic));
    for (std::size_t number = 0; number < sites.size(); ++number) {
        const auto& site = sites[number];
        KSMS_TRY(auto netlink, Netlink::open(*site.netns));
        KSMS_CHECK(guard.enter(*site.netns));
        SiteTaps kinds;
        if (site.ingress) {
            KSMS_TRY(kinds.ingress,
                     taps.state_->attach_direction(site, number, netlink, KSMS_INGRESS, hooks));
        }
        if (site.egress) {
            KSMS_TRY(kinds.egress,
                     taps.state_->attach_direction(site, number, netlink, KSMS_EGRESS, hooks));
        }
        taps.sites_.push_back(kinds);
    }
    return taps;
}

/// Whether the tap has its entry. Without it the tap counts nothing although its program runs.
Result<bool> ScanTaps::State::is_entered(const TapSite& site, const Placed& tap) const {
    KSMS_TRY(const auto entry, objects.taps.lookup(tap.id));
    return entry && entry->link == tap.link && entry->cookie == site.netns->cookie();
}

Result<std::string> ScanTaps::State::missing_link(const TapSite& site, const Placed& tap) const {
    bool attached = false;
    if (tap.interface != kWholeRouter) {
        KSMS_TRY(attached, link_attached(tap.link));
        if (attached) return std::string();
        return fmt::format("the {} link on {} was detached", name_of(tap.direction),
                           site.names[tap.interface]);
    }
    KSMS_CHECK(in_netns(*site.netns, [&]() -> Status {
        KSMS_TRY(attached,
                 netfilter_attached(objects.program(netfilter_program(tap.direction)), tap.link));
        return {};
    }));
    if (attached) return std::string();
    return fmt::format("the {} link of netfilter was detached", name_of(tap.direction));
}

Result<std::string> ScanTaps::State::missing_at(const TapSite& site, std::size_t number) const {
    if (!site.netns->is_named_still()) return "its namespace was deleted";
    auto netlink = Netlink::open(*site.netns);
    if (!netlink) return "its namespace cannot be entered: " + netlink.error().text();
    KSMS_TRY(const auto present, ksms::links(*netlink));
    for (std::size_t i = 0; i < site.interfaces.size(); ++i)
        if (std::ranges::find(present, site.interfaces[i], &Link::ifindex) == present.end())
            return fmt::format("the interface {} is gone", site.names[i]);
    for (const auto& tap : placed) {
        if (tap.site != number) continue;
        const std::string name =
            tap.interface == kWholeRouter ? "netfilter" : site.names[tap.interface];
        KSMS_TRY(const bool entered, is_entered(site, tap));
        if (!entered)
            return fmt::format("the {} tap on {} was detached", name_of(tap.direction), name);
        if (tap.kind != KSMS_TAP_CLSACT) {
            KSMS_TRY(auto what, missing_link(site, tap));
            if (!what.empty()) return what;
            continue;
        }
        KSMS_TRY(const auto standing, filters(*netlink, tap.filter.ifindex, tap.filter.direction));
        const bool there = std::ranges::any_of(standing, [&](const Filter& filter) {
            return filter.priority == tap.filter.priority && filter.handle == tap.filter.handle;
        });
        if (!there)
            return fmt::format("the {} filter on {} was removed", name_of(tap.direction), name);
    }
    return std::string();
}

Result<std::vector<std::string>> ScanTaps::missing(const std::vector<TapSite>& sites) const {
    std::vector<std::string> result;
    for (std::size_t number = 0; number < sites.size(); ++number) {
        KSMS_TRY(auto what, state_->missing_at(sites[number], number));
        result.push_back(std::move(what));
    }
    return result;
}

void ScanTaps::detach() {
    if (!state_) return;
    state_->links.clear();
    state_->placed.clear();
}

}  // namespace ksms
