/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What every tap does with a packet: whose it is, and into which counter. */
#pragma once

#include "answer.bpf.h"
#include "kernel.bpf.h"

static __always_inline bool ksms_idle(void) {
    __u32 zero = 0;
    const struct ksms_config *installed = bpf_map_lookup_elem(&config, &zero);
    return !installed || installed->active_scans == 0;
}

/* The tap's own entry; a clsact tap comes with its id, the others with their place. */
static __always_inline struct ksms_tap *ksms_find_tap(struct ksms_place *at) {
    if (at->kind != KSMS_TAP_CLSACT) {
        struct ksms_tap_id_key key = {.router = at->router,
                                      .ifindex = at->whole_router ? 0 : at->ifindex,
                                      .direction = at->direction,
                                      .kind = at->kind};
        const __u32 *id = bpf_map_lookup_elem(&tap_ids, &key);
        if (!id) return NULL;
        at->tap = *id;
    }
    struct ksms_tap *tap = bpf_map_lookup_elem(&taps, &at->tap);
    if (tap && at->kind == KSMS_TAP_CLSACT) {
        at->router = tap->router;
        at->ifindex = tap->ifindex;
    }
    return tap;
}

/* Several taps of one direction may stand on an interface: one kind counts for a scan. */
static __always_inline bool ksms_counts_here(__u32 dscp, const struct ksms_tap *tap,
                                             struct ksms_place *at) {
    const struct ksms_scan *scan = bpf_map_lookup_elem(&scans, &dscp);
    if (!scan) return false;
    if (at->kind == KSMS_TAP_CLSACT && (tap->dscp != dscp || tap->generation != scan->generation))
        return false;
    struct ksms_scan_router_key key = {.router = at->router, .dscp = dscp};
    const struct ksms_scan_router *router = bpf_map_lookup_elem(&scan_routers, &key);
    if (!router) return false;
    at->slot = router->slot;
    return at->kind == (at->direction == KSMS_INGRESS ? router->ingress_kind : router->egress_kind);
}

static __always_inline void ksms_note_unparsable(struct ksms_place *at) {
    struct ksms_tap *tap = ksms_find_tap(at);
    if (tap) __sync_fetch_and_add(&tap->unparsable, 1);
    ksms_stat(KSMS_STAT_UNPARSABLE);
}

/* Whatever DSCP it carries: what a firewall makes has none of ours.
 * @param probe  room for it: the stack is small */
static __always_inline void ksms_watch_answer(const struct ksms_reader *from,
                                              const struct ksms_packet *packet,
                                              struct ksms_probe *probe, struct ksms_place *at) {
    enum ksms_answer answer = ksms_answer_to(from, packet, probe);
    if (answer == KSMS_ANSWER_NONE) return;
    struct ksms_tap *tap = ksms_find_tap(at);
    if (tap && ksms_counts_here(probe->dscp, tap, at)) ksms_count_answer(answer, packet, probe, at);
}

/* What this namespace sends itself: is it an answer to a probe? In a function by itself: with all
 * that ksms_watch() does behind it, it is too much for the verifier of Linux 6.1.
 * @param probe  room for it: the stack is small */
static __always_inline void ksms_watch_made_here(const struct ksms_reader *from,
                                                 struct ksms_packet *packet,
                                                 struct ksms_probe *probe, struct ksms_place *at) {
    enum ksms_parsed parsed = ksms_parse(from, packet);
    if ((parsed == KSMS_PARSED || parsed == KSMS_OTHER) && ksms_is_answer(packet))
        ksms_watch_answer(from, packet, probe, at);
}

static __always_inline void ksms_watch(const struct ksms_reader *from, struct ksms_packet *packet,
                                       struct ksms_place *at) {
    struct ksms_probe probe = {};
    enum ksms_parsed parsed = ksms_parse(from, packet);
    if (parsed == KSMS_NOT_IP) return;
    if (parsed == KSMS_UNPARSABLE) {
        ksms_note_unparsable(at);
        return;
    }
    bool own = parsed == KSMS_PARSED && ksms_own(from, packet, &probe);
    if (own && !ksms_complete(from, packet)) {
        ksms_note_unparsable(at);
        return;
    }
    __u32 dscp = own ? probe.dscp : packet->dscp;
    if (!own && !ksms_active_scan(dscp)) return;

    struct ksms_tap *tap = ksms_find_tap(at);
    if (!tap) {
        ksms_stat(KSMS_STAT_NO_TAP);
        return;
    }
    if (!ksms_counts_here(dscp, tap, at)) return;
    __sync_fetch_and_add(&tap->packets, packet->segments);
    if (parsed == KSMS_FRAGMENT) {
        __sync_fetch_and_add(&tap->fragments, 1);
        ksms_stat(KSMS_STAT_FRAGMENT);
    } else if (own) {
        __sync_fetch_and_add(&tap->own, packet->segments);
        ksms_count_own(packet, &probe, at);
    } else if (parsed == KSMS_PARSED && ksms_stranger(packet, &probe)) {
        __sync_fetch_and_add(&tap->strangers, packet->segments);
        ksms_count_stranger(packet, &probe, at);
    }
}

/* What eth_type_trans() finds out: a unicast frame to another's address. */
static __always_inline bool ksms_frame_for_another(const struct net_device *dev,
                                                   const __u8 destination[ETH_ALEN]) {
    if (destination[0] & 1) return false;
    __u8 own[ETH_ALEN];
    if (bpf_probe_read_kernel(own, sizeof own, dev->dev_addr)) return false;
    bool same = true;
    for (int i = 0; i < ETH_ALEN; i++) same &= own[i] == destination[i];
    return !same;
}
