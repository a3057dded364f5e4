// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/store.hpp"

#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/beside.hpp"

namespace ksms {
namespace {

ksms_scan describe(const ProbeHeader& header, std::uint32_t services, std::uint32_t probes,
                   std::uint32_t routers, ksms_store store) {
    ksms_scan scan{};
    scan.active = 1;
    scan.generation = header.generation;
    scan.probes = probes;
    scan.services = services;
    scan.store = store;
    scan.carried = header.carried;
    scan.routers = routers;
    scan.owner_pid = static_cast<std::uint32_t>(getpid());
    scan.source_port = header.source_port;
    scan.port_step = header.port_step;
    scan.family = header.source.family == AF_INET ? 4 : 6;
    std::ranges::copy(header.source.bytes, scan.source);
    std::ranges::copy(header.destination.bytes, scan.destination);
    return scan;
}

/// A pass over empty hashes costs as much as this many probes looked up, and what is in them a
/// third of that for each probe of the scan.
constexpr std::size_t kFewProbes = 100;

template <typename K, typename V>
Status read_of(const Map<K, V>& map, std::uint8_t dscp, StoreTable<K, V>& into) {
    return map.for_each([&](const K& key, const V& value) {
        if (key.dscp == dscp) into.insert_or_assign(key, value);
    });
}

template <typename K, typename V>
V value_in(const StoreTable<K, V>& table, const K& key) {
    const auto found = table.find(key);
    return found == table.end() ? V{} : found->second;
}

}  // namespace

ScanStore::Frozen ScanStore::freeze(std::size_t probes) const {
    if (dense_ || moment_ || probes < kFewProbes + probes_ / 3) return {};
    auto moment = std::make_unique<StoreMoment>();
    if (!read_of(objects_->counters, header_.dscp, moment->counters)) return {};
    if (!read_of(objects_->drops, header_.dscp, moment->drops)) return {};
    moment_ = std::move(moment);
    return Frozen(this);
}

Result<ScanArrays> ScanArrays::begin(const Objects& objects, Guard& guard, std::uint8_t dscp,
                                     std::uint32_t generation, std::uint32_t services,
                                     std::uint32_t probes, std::uint32_t sites) {
    KSMS_CHECK(guard.will(did_scan(dscp, generation)));
    // What a scan that was killed left under this DSCP must not count for us.
    KSMS_TRY(const auto before, objects.scans.lookup(dscp));
    KSMS_CHECK(clear_scan(objects, dscp, before ? before->generation : 0));
    ScanArrays arrays;
    if (std::uint64_t{probes} * sites * KSMS_DIRECTIONS > KSMS_HASH_LIMIT)
        arrays.making_ = beside([&objects, dscp, services, probes, sites] {
            return DenseStore::create(objects, dscp, services, probes, sites);
        });
    return arrays;
}

Result<std::optional<DenseStore>> ScanArrays::take() {
    if (!making_.valid()) return std::nullopt;
    KSMS_TRY(auto made, making_.get());
    return std::optional(std::move(made));
}

Result<ScanStore> ScanStore::begin(const Objects& objects, ScanArrays arrays,
                                   const ProbeHeader& header, const std::vector<Service>& services,
                                   std::uint32_t entries, const std::vector<StoreSite>& sites) {
    ScanStore store;
    store.objects_ = &objects;
    store.services_ = &services;
    store.sites_ = sites;
    store.probes_ = static_cast<std::uint32_t>(services.size()) * entries;
    store.header_ = header;
    const auto slots = static_cast<std::uint32_t>(sites.size());
    const auto count = static_cast<std::uint32_t>(services.size());
    KSMS_TRY(store.dense_, arrays.take());
    KSMS_CHECK(store.install_services());
    for (std::size_t slot = 0; slot < sites.size(); ++slot) {
        const ksms_scan_router_key key{sites[slot].netns, header.dscp};
        const ksms_scan_router value{static_cast<std::uint16_t>(slot),
                                     static_cast<std::uint8_t>(sites[slot].taps.ingress),
                                     static_cast<std::uint8_t>(sites[slot].taps.egress), 0};
        KSMS_CHECK(objects.scan_routers.update(key, value));
    }
    KSMS_CHECK(begin_scan(objects, header.dscp,
                          describe(header, count, store.probes_, slots,
                                   store.dense_ ? KSMS_STORE_DENSE : KSMS_STORE_HASH)));
    return store;
}

Status ScanStore::install_services() const {
    const auto& services = *services_;
    if (dense_) {
        const auto table = dense_->services.values();
        for (std::uint32_t i = 0; i < services.size(); ++i) {
            const auto [protocol, port] = services[i];
            table[(protocol == IPPROTO_UDP ? 65536u : 0u) + port] = 1 + i;
            table[KSMS_DENSE_NUMBERS + i] = static_cast<std::uint32_t>(protocol) << 16 | port;
        }
        return {};
    }
    std::vector<ksms_service_key> keys;
    std::vector<ksms_service_value> values;
    std::vector<ksms_service_number_key> number_keys;
    std::vector<ksms_service_number_value> number_values;
    for (std::uint32_t i = 0; i < services.size(); ++i) {
        keys.push_back({header_.dscp, services[i].protocol, services[i].port});
        values.push_back({i});
        number_keys.push_back({header_.dscp, i});
        number_values.push_back({services[i].port, services[i].protocol, 0});
    }
    KSMS_CHECK(objects_->services.update_batch(keys, values));
    return objects_->service_numbers.update_batch(number_keys, number_values);
}

ksms_counter_key ScanStore::key(std::size_t slot, ksms_direction direction,
                                std::uint32_t probe) const {
    const auto& of = service(probe);
    return {header_.dscp,
            of.protocol,
            of.port,
            sites_[slot].netns,
            static_cast<std::uint16_t>(numbers().entry(probe)),
            static_cast<std::uint8_t>(direction),
            0};
}

ksms_counter ScanStore::counter(std::size_t slot, ksms_direction direction,
                                std::uint32_t probe) const {
    if (dense_)
        return dense_->counters.values()[(slot * KSMS_DIRECTIONS + direction) * probes_ + probe];
    const auto at = key(slot, direction, probe);
    if (moment_) return value_in(moment_->counters, at);
    const auto found = objects_->counters.lookup(at);
    return found && *found ? **found : ksms_counter{};
}

ksms_drop ScanStore::drop(std::size_t slot, std::uint32_t probe) const {
    if (dense_) return dense_->drops.values()[slot * probes_ + probe];
    const auto of = key(slot, KSMS_INGRESS, probe);
    const ksms_drop_key at{of.dscp, of.protocol, of.port, of.router, of.entry, 0};
    if (moment_) return value_in(moment_->drops, at);
    const auto found = objects_->drops.lookup(at);
    return found && *found ? **found : ksms_drop{};
}

std::optional<ksms_translation> ScanStore::translation(std::size_t slot, ksms_direction direction,
                                                       std::uint32_t probe) const {
    const auto found = objects_->translations.lookup(key(slot, direction, probe));
    return found ? *found : std::nullopt;
}

}  // namespace ksms
