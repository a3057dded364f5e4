// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/slots.hpp"

#include <algorithm>

namespace ksms {
namespace {

class Builder {
public:
    explicit Builder(const Network& network) : network_(network) {}

    std::size_t slot(const PlanNetns& netns) {
        const auto found = std::ranges::find(sites.store, netns.inode(), &StoreSite::netns);
        if (found != sites.store.end())
            return static_cast<std::size_t>(found - sites.store.begin());
        sites.store.push_back({netns.inode(), {}});
        return sites.store.size() - 1;
    }

    void tap(std::vector<TapSite>& list, std::vector<std::size_t>& slots, const PlanNetns& netns,
             const std::vector<PlanInterface>& interfaces, bool ingress, bool egress) {
        const auto at = slot(netns);
        // A namespace that is tapped as a router already sees all that passes it.
        if (std::ranges::find(sites.routers_tap_slots, at) != sites.routers_tap_slots.end()) return;
        if (const auto known = std::ranges::find(slots, at); known != slots.end()) {
            auto& site = list[static_cast<std::size_t>(known - slots.begin())];
            site.ingress |= ingress;
            site.egress |= egress;
            return;
        }
        TapSite site{&network_.netns(netns.number()), {}, {}, ingress, egress};
        for (const auto& interface : interfaces) {
            site.interfaces.push_back(interface.ifindex);
            site.names.push_back(interface.name);
        }
        list.push_back(std::move(site));
        slots.push_back(at);
    }

    StoreSlots sites;

private:
    const Network& network_;
};

}  // namespace

StoreSlots StoreSlots::of(const Plan& plan, const Network& network) {
    Builder builder(network);
    auto& sites = builder.sites;
    for (const auto& router : plan.routers) {
        sites.router_slots.push_back(builder.slot(router.netns));
        builder.tap(sites.routers, sites.routers_tap_slots, router.netns, router.interfaces, true,
                    true);
    }
    for (auto& site : sites.routers) site.is_router = true;
    for (const auto& entry : plan.entries) {
        sites.entry_slots.push_back(builder.slot(entry.netns));
        builder.tap(sites.hosts, sites.hosts_tap_slots, entry.netns, entry.interfaces, false, true);
    }
    for (std::size_t i = 0; i < plan.destination_hosts.size(); ++i) {
        const auto& host = plan.destination_hosts[i];
        sites.host_slots.push_back(builder.slot(host));
        builder.tap(sites.hosts, sites.hosts_tap_slots, host, plan.destination_interfaces[i], true,
                    true);
    }
    for (const auto& segment : plan.segments) sites.segment_slots.push_back(builder.slot(segment));
    return std::move(builder.sites);
}

void StoreSlots::stand(const ScanTaps& router_taps, const ScanTaps& host_taps) {
    for (std::size_t i = 0; i < routers_tap_slots.size(); ++i)
        store[routers_tap_slots[i]].taps = router_taps.sites()[i];
    for (std::size_t i = 0; i < hosts_tap_slots.size(); ++i)
        store[hosts_tap_slots[i]].taps = host_taps.sites()[i];
}

}  // namespace ksms
