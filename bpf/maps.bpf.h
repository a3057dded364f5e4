/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Every map. Weak, so that the linker makes one of the definitions that several objects bring.
 * Hashes allocate as they fill: what is there costs nothing while nobody scans. None of them can be
 * filled by traffic: BPF inserts only under keys made of what user space has installed. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ksms/abi.h"

/* key: DSCP. value: who holds it. Written by ksms_lease, read by everybody. Cannot be full. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE); /* a repair changes single words */
    __uint(max_entries, KSMS_DSCPS);
    __type(key, ksms_u32);
    __type(value, struct ksms_lease);
} leases __weak SEC(".maps");

/* key: slot. value: a call that allocates, as long as it is not answered. Written by ksms_lease and
 * whoever serves, read by everybody. Full: ENOSPC; for root KSMS_ROOT_WAITERS later. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE); /* a repair changes single words */
    __uint(max_entries, KSMS_WAITERS);
    __type(key, ksms_u32);
    __type(value, struct ksms_waiter);
} waiters __weak SEC(".maps");

/* key: 0. value: what may be given out, to whom and for how long. Written by root's commands from
 * the configuration, read by ksms_lease and by everybody. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, ksms_u32);
    __type(value, struct ksms_lease_limits);
} limits __weak SEC(".maps");

/* key: 0. value: the table's figures. Written by the registry's programs, read by everybody. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE); /* a repair changes single words */
    __uint(max_entries, 1);
    __type(key, ksms_u32);
    __type(value, struct ksms_registry);
} registry __weak SEC(".maps");

/* key: 0. value: whom a process exit may concern. Written by ksms_lease, read by ksms_exit. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE); /* a repair changes single words */
    __uint(max_entries, 1);
    __type(key, ksms_u32);
    __type(value, struct ksms_owners);
} owners __weak SEC(".maps");

struct ksms_lease_timer {
    struct bpf_timer timer;
    ksms_u64 armed; /* CLOCK_MONOTONIC: fires then, or somebody is about to see to it; 0: may not */
};

enum { KSMS_SERVING_TIMER = KSMS_DSCPS, KSMS_TIMERS };

/* key: DSCP. value: fires at the end of the lease or before. The last one fires when somebody has
 * served for long enough, and goes on. Set up once, by ksms_setup. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, KSMS_TIMERS);
    __type(key, ksms_u32);
    __type(value, struct ksms_lease_timer);
} lease_timers __weak SEC(".maps");

/* Who waits polls it (epoll, edge-triggered). Nothing is ever written to it, so it is never full
 * and nobody needs to empty it: draining it wakes all who wait (Linux 6.1). */
struct {
    __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
    __uint(max_entries, 65536);
} answers __weak SEC(".maps");

/* key: DSCP. value: what a tap must know of the scan under it. Written by the scan, which sets
 * `active` last; read by taps and the drop program. Cannot be full. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, KSMS_DSCPS);
    __type(key, ksms_u32);
    __type(value, struct ksms_scan);
} scans __weak SEC(".maps");

/* key: namespace and DSCP. value: the namespace's slot in the dense maps, and the kinds of tap that
 * count there. Written by the scan, read by taps and the drop program. Full: the scan fails. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_DSCPS *KSMS_MAX_ROUTERS);
    __type(key, struct ksms_scan_router_key);
    __type(value, struct ksms_scan_router);
} scan_routers __weak SEC(".maps");

/* key: DSCP, protocol, port. value: the number of a service. Written by the scan, read by taps to
 * tell a stranger. Full: the scan takes the dense form. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_PROBES);
    __type(key, struct ksms_service_key);
    __type(value, struct ksms_service_value);
} services __weak SEC(".maps");

/* key: DSCP and number. value: the service, as asked for. Written by the scan, read by taps and the
 * drop program, which have the number from the token. Full: the scan takes the dense form. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_PROBES);
    __type(key, struct ksms_service_number_key);
    __type(value, struct ksms_service_number_value);
} service_numbers __weak SEC(".maps");

/* key: probe, namespace and direction. value: what the taps there saw of it. Written by taps, read
 * and emptied by the scan. Full: KSMS_STAT_COUNTERS_FULL. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_COUNTERS);
    __type(key, struct ksms_counter_key);
    __type(value, struct ksms_counter);
} counters __weak SEC(".maps");

/* key: as in counters, of dense scans too. value: the addresses and ports that the probe carried
 * last. Written by taps, read and emptied by the scan. Full: KSMS_STAT_TRANSLATIONS_FULL; the
 * counter's flag says all the same that it was translated. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_PROBES);
    __type(key, struct ksms_counter_key);
    __type(value, struct ksms_translation);
} translations __weak SEC(".maps");

/* key: probe and namespace. value: why and where the kernel dropped it last. Written by the drop
 * program, read and emptied by the scan. Full: KSMS_STAT_DROPS_FULL. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_PROBES);
    __type(key, struct ksms_drop_key);
    __type(value, struct ksms_drop);
} drops __weak SEC(".maps");

/* key: DSCP. value: how far its trail goes. `limit` is written by the scan, `events` by the
 * programs. Cannot be full. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, KSMS_DSCPS);
    __type(key, ksms_u32);
    __type(value, struct ksms_trail_end);
} trail_ends __weak SEC(".maps");

/* key: DSCP and number. value: what happened to a probe. Written by the programs of trail.bpf.c,
 * read and emptied by the scan. Full: KSMS_STAT_TRAIL_FULL, and a number is missing. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_EVENTS);
    __type(key, struct ksms_trail_key);
    __type(value, struct ksms_event);
} trail __weak SEC(".maps");

/* key: address of a buffer whose packet was seen. value: whose it is, also while another header is
 * in front of it. Written by the programs of trail.bpf.c, which take it out when the buffer is
 * free; emptied by the scan. Full: a tunnel's packet is not followed. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_HASH_EVENTS);
    __type(key, ksms_u64);
    __type(value, struct ksms_followed);
} followed __weak SEC(".maps");

/* key: id, 0 to KSMS_MAX_TAPS - 1. value: where the tap is and what passed it. Written by whoever
 * attaches; its figures by the tap. Full: the attachment fails. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_MAX_TAPS);
    __type(key, ksms_u32);
    __type(value, struct ksms_tap);
} taps __weak SEC(".maps");

/* key: the place of a TCX or XDP tap. value: its id. Written by whoever attaches, read by the tap,
 * which learns its place from the packet. Full: the attachment fails. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_MAX_TAPS);
    __type(key, struct ksms_tap_id_key);
    __type(value, ksms_u32);
} tap_ids __weak SEC(".maps");

/* key: enum ksms_stat. value: how often. Written by the programs, read by everybody. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, KSMS_STATS);
    __type(key, ksms_u32);
    __type(value, ksms_u64);
} stats __weak SEC(".maps");

/* key: 0. value: what holds for all. Mapped and written by user space, read by the programs on
 * every packet. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, ksms_u32);
    __type(value, struct ksms_config);
} config __weak SEC(".maps");

/* key: process and number. value: what it did that outlives it. Written and read by user space
 * alone. Full: the step is not taken. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, KSMS_JOURNAL_ENTRIES);
    __type(key, struct ksms_journal_key);
    __type(value, struct ksms_journal_entry);
} journal __weak SEC(".maps");

/* key: enum skb_drop_reason of this kernel. value: its name. Written at installation, read by user
 * space. Full: the name is missing. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1024);
    __type(key, ksms_u32);
    __type(value, struct ksms_reason_name);
} reasons __weak SEC(".maps");

/* key: thread, in the initial PID namespace. value: what it injects next. Written and taken away by
 * the thread itself; what a dead one left is the first to go. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 64);
    __type(key, ksms_u32);
    __type(value, struct ksms_injection);
} injections __weak SEC(".maps");

/* The maps of maps. key: DSCP. value: an array of the scan's own size (BPF_F_INNER_MAP, Linux 5.10)
 * that user space maps into its memory; set and taken away by the scan. Sizes and no types: the
 * scan's arrays have none either, and Linux 6.1 tells an array of structs from one without a type
 * (bpf_map_meta_equal(), timer_off) and refuses it. */
#define KSMS_DENSE_MAP(name, value_type)                             \
    struct {                                                         \
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                    \
        __uint(max_entries, KSMS_DSCPS);                             \
        __type(key, ksms_u32);                                       \
        __array(                                                     \
            values, struct {                                         \
                __uint(type, BPF_MAP_TYPE_ARRAY);                    \
                __uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP); \
                __uint(max_entries, 1);                              \
                __uint(key_size, sizeof(ksms_u32));                  \
                __uint(value_size, sizeof(value_type));              \
            });                                                      \
    } name __weak SEC(".maps")

/* Written by the scan, read by taps and the drop program: services and service_numbers in one. */
KSMS_DENSE_MAP(dense_services, ksms_u64);
/* Written by taps, read by the scan: counters. */
KSMS_DENSE_MAP(dense_counters, struct ksms_counter);
/* Written by the drop program, read by the scan: drops. */
KSMS_DENSE_MAP(dense_drops, struct ksms_drop);
