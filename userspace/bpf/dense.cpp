// SPDX-License-Identifier: BSD-2-Clause
// A scan's entries in the maps: the slot, the arrays of big scans, and their removal.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <future>
#include <vector>

#include "base/beside.hpp"
#include "bpf/attach.hpp"
#include "bpf/objects.hpp"

namespace ksms {
namespace {

constexpr const char* kDensePins[] = {"dense_services_", "dense_counters_", "dense_drops_"};

Result<Fd> create_array(const char* name, std::uint32_t value_size, std::uint32_t entries) {
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP;
    const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(std::uint32_t), value_size,
                                  entries, &options);
    if (fd < 0)
        return fail_errno(
            errno, fmt::format("make an array of {} x {} bytes for the scan", entries, value_size));
    return Fd(fd);
}

template <typename V>
Status create_inner(const Map<std::uint32_t, std::uint32_t>& outer, const char* name,
                    const std::string& pin_path, std::uint32_t dscp, std::uint32_t entries,
                    MappedArray<V>& memory) {
    KSMS_TRY(const auto fd, create_array(name, sizeof(V), entries));
    KSMS_TRY(memory, MappedArray<V>::map(fd.get(), entries, name));
    KSMS_CHECK(outer.update(dscp, static_cast<std::uint32_t>(fd.get())));
    return pin(fd.get(), pin_path);
}

/// Each update of a map of maps waits for an RCU grace period (kernel/bpf/syscall.c,
/// maybe_wait_bpf_programs), about 12 ms. Makes the changes in parallel, so that they wait once.
Status all_at_once(const std::vector<std::function<Status()>>& changes) {
    std::vector<std::future<Status>> running;
    for (const auto& change : changes) running.push_back(beside(change));
    Status result;
    for (auto& each : running)
        if (auto done = each.get(); !done && result) result = std::move(done);
    return result;
}

/// Removes the arrays of a scan. Does not rely on the slot: the scan may have died after creating
/// them and before writing the slot.
Status drop_dense(const Objects& objects, std::uint32_t dscp) {
    std::vector<std::function<Status()>> erasures;
    for (const auto* outer :
         {&objects.dense_services, &objects.dense_counters, &objects.dense_drops}) {
        KSMS_TRY(const auto inner, outer->lookup(dscp));
        if (!inner) continue;
        erasures.emplace_back([outer, dscp]() -> Status {
            KSMS_CHECK(outer->erase(dscp));
            return {};
        });
    }
    return erasures.empty() ? Status() : all_at_once(erasures);
}

/// Removes the trail that a killed scan left.
Status clear_trail(const Objects& objects, std::uint32_t dscp) {
    auto& end = objects.trail_ends.values()[dscp];
    if (end.events == 0 && end.limit == 0) return {};
    __atomic_store_n(&end.limit, 0, __ATOMIC_SEQ_CST);
    std::vector<ksms_trail_key> events;
    KSMS_CHECK(objects.trail.for_each([&](const ksms_trail_key& key, const ksms_event&) {
        if (key.dscp == dscp) events.push_back(key);
    }));
    KSMS_CHECK(objects.trail.erase_batch(events));
    std::vector<std::uint64_t> buffers;
    KSMS_CHECK(objects.followed.for_each([&](const std::uint64_t& key, const ksms_followed& whose) {
        if (whose.dscp == dscp) buffers.push_back(key);
    }));
    KSMS_CHECK(objects.followed.erase_batch(buffers));
    __atomic_store_n(&end.events, 0, __ATOMIC_SEQ_CST);
    return {};
}

/// Deletes every entry whose key has this DSCP.
template <typename K, typename V, typename Dscp>
Status erase_of(const Map<K, V>& map, std::uint32_t dscp, const Dscp& dscp_of) {
    std::vector<K> keys;
    KSMS_CHECK(map.for_each([&](const K& key, const V&) {
        if (dscp_of(key) == dscp) keys.push_back(key);
    }));
    return map.erase_batch(keys);
}

}  // namespace

Result<DenseStore> DenseStore::create(const Objects& objects, std::uint32_t dscp,
                                      std::uint32_t services, std::uint32_t probes,
                                      std::uint32_t routers) {
    const auto path = [&](std::size_t which) {
        return objects.pin_path(fmt::format("{}{}", kDensePins[which], dscp));
    };
    DenseStore store;
    store.probes = probes;
    KSMS_CHECK(all_at_once({
        [&] {
            return create_inner(objects.dense_services, "ksms_services", path(0), dscp,
                                KSMS_DENSE_NUMBERS + services, store.services);
        },
        [&] {
            return create_inner(objects.dense_counters, "ksms_counters", path(1), dscp,
                                routers * KSMS_DIRECTIONS * probes, store.counters);
        },
        [&] {
            return create_inner(objects.dense_drops, "ksms_drops", path(2), dscp, routers * probes,
                                store.drops);
        },
    }));
    return store;
}

Status begin_scan(const Objects& objects, std::uint32_t dscp, const ksms_scan& scan) {
    KSMS_CHECK(objects.scans.update(dscp, scan));
    __atomic_fetch_or(&objects.config.values()[0].active_scans, std::uint64_t{1} << dscp,
                      __ATOMIC_SEQ_CST);
    return {};
}

Status clear_scan(const Objects& objects, std::uint32_t dscp, std::uint32_t generation) {
    KSMS_TRY(const auto slot, objects.scans.lookup(dscp));
    if (slot && slot->active != 0 && slot->generation != generation)
        return {};  // the slot has a new owner
    __atomic_fetch_and(&objects.config.values()[0].active_scans, ~(std::uint64_t{1} << dscp),
                       __ATOMIC_SEQ_CST);
    const bool hashes = !slot || slot->store != KSMS_STORE_DENSE;
    if (slot && (slot->active != 0 || slot->owner_pid != 0)) {
        auto ended = *slot;
        ended.active = 0;
        ended.owner_pid = 0;  // later entries of the slot do not belong to this process
        KSMS_CHECK(objects.scans.update(dscp, ended));
    }
    KSMS_CHECK(erase_of(objects.scan_routers, dscp, [](const auto& key) { return key.dscp; }));
    KSMS_CHECK(erase_of(objects.translations, dscp, [](const auto& key) { return key.dscp; }));
    KSMS_CHECK(clear_trail(objects, dscp));
    KSMS_CHECK(drop_dense(objects, dscp));
    for (const auto* prefix : kDensePins)
        unlink(objects.pin_path(fmt::format("{}{}", prefix, dscp)).c_str());
    if (!hashes) return {};
    KSMS_CHECK(erase_of(objects.services, dscp, [](const auto& key) { return key.dscp; }));
    KSMS_CHECK(erase_of(objects.service_numbers, dscp, [](const auto& key) { return key.dscp; }));
    KSMS_CHECK(erase_of(objects.counters, dscp, [](const auto& key) { return key.dscp; }));
    return erase_of(objects.drops, dscp, [](const auto& key) { return key.dscp; });
}

}  // namespace ksms
