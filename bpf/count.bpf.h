/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A probe, or a stranger, into its counter: a hash for small scans, one mapped array for big ones.
 *
 * What is summed up is added atomically, since a packet may pass the same tap on two CPUs at once
 * and a lost one would turn a verdict. The other fields say what was seen last: a race leaves one
 * of two truths. */
#pragma once

#include "own.bpf.h"

/* Where the packet is, and which tap sees it. */
struct ksms_place {
    __u32 router; /* inode of the network namespace */
    __u32 ifindex;
    __u32 tap; /* id */
    __u32 slot;
    __u8 direction;
    __u8 kind;
    bool whole_router; /* the tap is no interface's own */
};

static __always_inline struct ksms_counter_key ksms_counter_key_of(const struct ksms_probe *probe,
                                                                   const struct ksms_place *at) {
    return (struct ksms_counter_key){.dscp = probe->dscp,
                                     .protocol = probe->protocol,
                                     .port = probe->port,
                                     .router = at->router,
                                     .entry = probe->entry,
                                     .direction = at->direction};
}

/* Every value says itself what it belongs to, so that a dump of an array can be read. */
static __always_inline void ksms_label(struct ksms_counter *counter, const struct ksms_probe *probe,
                                       const struct ksms_place *at) {
    counter->router = at->router;
    counter->port = probe->port;
    counter->entry = probe->entry;
    counter->dscp = probe->dscp;
    counter->protocol = probe->protocol;
    counter->direction = at->direction;
}

/* Not on the stack, which is small. */
static const struct ksms_counter ksms_no_counter = {};

static __always_inline struct ksms_counter *ksms_hash_counter(const struct ksms_probe *probe,
                                                              const struct ksms_place *at) {
    struct ksms_counter_key key = ksms_counter_key_of(probe, at);
    struct ksms_counter *counter = bpf_map_lookup_elem(&counters, &key);
    if (counter) return counter;
    /* Another CPU may be faster: then this fails, and finds the other's. */
    bpf_map_update_elem(&counters, &key, &ksms_no_counter, BPF_NOEXIST);
    counter = bpf_map_lookup_elem(&counters, &key);
    if (counter)
        ksms_label(counter, probe, at);
    else
        ksms_stat(KSMS_STAT_COUNTERS_FULL);
    return counter;
}

static __always_inline struct ksms_counter *ksms_dense_counter(const struct ksms_probe *probe,
                                                               const struct ksms_place *at) {
    __u32 index = (at->slot * KSMS_DIRECTIONS + at->direction) * probe->scan->probes + probe->probe;
    void *table = bpf_map_lookup_elem(&dense_counters, &probe->dscp);
    struct ksms_counter *counter = table ? bpf_map_lookup_elem(table, &index) : NULL;
    if (counter)
        ksms_label(counter, probe, at);
    else
        ksms_stat(KSMS_STAT_NO_STORE);
    return counter;
}

static __always_inline struct ksms_counter *ksms_counter(const struct ksms_probe *probe,
                                                         const struct ksms_place *at) {
    switch (probe->scan->store) {
        case KSMS_STORE_HASH:
            return ksms_hash_counter(probe, at);
        case KSMS_STORE_DENSE:
            return ksms_dense_counter(probe, at);
    }
    ksms_stat(KSMS_STAT_NO_STORE);
    return NULL;
}

static __always_inline bool ksms_translated(const struct ksms_packet *packet,
                                            const struct ksms_probe *probe) {
    return packet->destination_port != probe->port || packet->source_port != probe->source_port ||
           !ksms_same_address(packet->destination, probe->scan->destination) ||
           !ksms_same_address(packet->source, probe->scan->source);
}

static __always_inline void ksms_note_translation(const struct ksms_packet *packet,
                                                  const struct ksms_probe *probe,
                                                  const struct ksms_place *at) {
    struct ksms_counter_key key = ksms_counter_key_of(probe, at);
    struct ksms_translation seen = {.source_port = packet->source_port,
                                    .destination_port = packet->destination_port,
                                    .family = packet->family};
    __builtin_memcpy(seen.source, packet->source, sizeof seen.source);
    __builtin_memcpy(seen.destination, packet->destination, sizeof seen.destination);
    if (bpf_map_update_elem(&translations, &key, &seen, BPF_ANY) != 0)
        ksms_stat(KSMS_STAT_TRANSLATIONS_FULL);
}

static __always_inline void ksms_count_own(const struct ksms_packet *packet,
                                           const struct ksms_probe *probe,
                                           const struct ksms_place *at) {
    struct ksms_counter *counter = ksms_counter(probe, at);
    if (!counter) return;
    __u8 flags = packet->flags;
    if (packet->dscp != probe->scan->carried) flags |= KSMS_SEEN_REMARKED;
    if (ksms_translated(packet, probe)) {
        flags |= KSMS_SEEN_TRANSLATED;
        ksms_note_translation(packet, probe, at);
    }
    __u64 now = bpf_ktime_get_ns();
    if (!counter->first_ns) counter->first_ns = now;
    counter->last_ns = now;
    counter->ifindex = at->ifindex;
    counter->tap = at->tap;
    counter->seen_port = packet->destination_port;
    counter->seen_dscp = packet->dscp;
    counter->ttl = packet->ttl;
    counter->flags |= flags;
    __sync_fetch_and_add(&counter->bytes, packet->bytes);
    /* Last: who reads a packet here reads the fields above of it too. */
    __sync_fetch_and_add(&counter->packets, packet->segments);
}

static __always_inline void ksms_count_stranger(const struct ksms_packet *packet,
                                                const struct ksms_probe *probe,
                                                const struct ksms_place *at) {
    struct ksms_counter *counter = ksms_counter(probe, at);
    if (counter) __sync_fetch_and_add(&counter->strangers, packet->segments);
}
