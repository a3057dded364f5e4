// SPDX-License-Identifier: BSD-2-Clause
#include "retry/conntrack_cleaner.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <bitset>

namespace ksms {
namespace {

// So many are asked for one by one; of more the table is walked (some milliseconds at its usual
// size).
constexpr std::size_t kFew = 512;
constexpr std::size_t kAllPorts = 65535;  // but 0, which nobody uses

}  // namespace

ConntrackCleaner ConntrackCleaner::of(const Plan& plan, const Network& network,
                                      const StoreSlots& sites, const ScanStore& store,
                                      const std::uint64_t& active) {
    ConntrackCleaner quota;
    quota.store_ = &store;
    quota.active_ = &active;
    if (!Conntrack::loaded()) return quota;
    const auto add = [&](const PlanNetns& netns, std::size_t slot) {
        quota.add(network.netns(netns.number()), slot);
    };
    for (std::size_t i = 0; i < plan.entries.size(); ++i)
        add(plan.entries[i].netns, sites.entry_slots[i]);
    for (std::size_t i = 0; i < plan.routers.size(); ++i)
        add(plan.routers[i].netns, sites.router_slots[i]);
    for (std::size_t i = 0; i < plan.segments.size(); ++i)
        add(plan.segments[i], sites.segment_slots[i]);
    for (std::size_t i = 0; i < plan.destination_hosts.size(); ++i)
        add(plan.destination_hosts[i], sites.host_slots[i]);
    return quota;
}

void ConntrackCleaner::add(const Netns& netns, std::size_t slot) {
    if (std::ranges::find(places_, slot, &Place::slot) != places_.end()) return;
    auto conntrack = Conntrack::open(netns);
    const auto table =
        conntrack ? conntrack->table() : Result<ConntrackTable>(std::unexpected(conntrack.error()));
    if (table)
        places_.push_back({std::move(*conntrack), netns.name(), slot});
    else
        warnings_.push_back(fmt::format("{}: nobody knows how full its connection tracking is: {}",
                                        netns.name(), table.error().text()));
}

std::size_t ConntrackCleaner::allowance() {
    std::size_t least = SIZE_MAX;
    const auto scans = static_cast<std::size_t>(std::max(1, std::popcount(*active_)));
    for (auto& place : places_) {
        const auto table = place.conntrack.table();
        if (!table || table->limit == 0) continue;
        const std::size_t share = table->free() / 2 / scans;
        if (share >= least) continue;
        least = share;
        tightest_ = place.name;
    }
    return least;
}

Flow ConntrackCleaner::flow_of(std::uint32_t probe) const {
    const auto& header = store_->header();
    const auto& service = store_->service(probe);
    return {header.source, header.destination, service.protocol, store_->source_port(probe),
            service.port};
}

/// A NAT on the way makes it another flow for the routers behind: as the tap saw it come in, so it
/// is tracked.
Status ConntrackCleaner::clear(Place& place) {
    KSMS_TRY(const auto table, place.conntrack.table());
    if (table.entries == 0) return {};
    std::vector<Flow> flows;
    std::bitset<1 << 16> tcp, udp;
    for (std::uint32_t probe = 0; probe < store_->probes(); ++probe) {
        auto flow = flow_of(probe);
        const auto seen = store_->counter(place.slot, KSMS_INGRESS, probe);
        const auto changed = (seen.flags & KSMS_SEEN_TRANSLATED) != 0
                                 ? store_->translation(place.slot, KSMS_INGRESS, probe)
                                 : std::nullopt;
        if (changed) {
            const int family = changed->family == 4 ? AF_INET : AF_INET6;
            flow.source = Address::from_bytes(family, changed->source);
            flow.destination = Address::from_bytes(family, changed->destination);
            flow.source_port = changed->source_port;
            flow.destination_port = changed->destination_port;
        } else if (store_->probes() > kFew) {
            (flow.protocol == IPPROTO_TCP ? tcp : udp).set(flow.destination_port);
            continue;
        }
        flows.push_back(flow);
    }
    KSMS_CHECK(place.conntrack.remove(flows));
    const auto ports_in_use = store_->header().port_step == 0 ? 1 : store_->entries();
    for (std::uint32_t entry = 0; entry < ports_in_use; ++entry) {
        auto like = flow_of(0);
        like.source_port = store_->header().port_of(entry);
        for (const auto protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
            like.protocol = static_cast<std::uint8_t>(protocol);
            KSMS_CHECK(clear_like(place, like, protocol == IPPROTO_TCP ? tcp : udp));
        }
    }
    return {};
}

/// Flows that differ in the destination port alone.
Status ConntrackCleaner::clear_like(Place& place, const Flow& like,
                                    const std::bitset<1 << 16>& ports) {
    if (ports.none()) return {};
    if (ports.count() >= kAllPorts) {
        KSMS_TRY(const bool done, place.conntrack.remove_all_like(like));
        if (done) return {};
    }
    const auto ours = [&ports](std::uint16_t port) { return ports.test(port); };
    KSMS_TRY([[maybe_unused]] const auto removed, place.conntrack.remove_like(like, ours));
    return {};
}

void ConntrackCleaner::clear() {
    for (auto& place : places_) {
        const auto done = clear(place);
        if (done) continue;
        auto text = fmt::format(
            "{}: what its connection tracking has of the probes stays until it "
            "times out: {}",
            place.name, done.error().text());
        if (std::ranges::find(warnings_, text) == warnings_.end())
            warnings_.push_back(std::move(text));
    }
}

}  // namespace ksms
