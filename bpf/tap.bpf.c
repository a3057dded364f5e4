/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The taps. They look at a packet and hand it on, always: nothing here can change its fate. */
#include <linux/if_packet.h>

#include "answer.bpf.h"
#include "kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { KSMS_HAND_ON = -1 }; /* TC_ACT_UNSPEC for a filter, TCX_NEXT for a link */

static __always_inline bool ksms_idle(void) {
    __u32 zero = 0;
    const struct ksms_config *installed = bpf_map_lookup_elem(&config, &zero);
    return !installed || installed->active_scans == 0;
}

/* The tap's own entry; a clsact tap comes with its id, the others with their place. */
static __always_inline struct ksms_tap *ksms_find_tap(struct ksms_place *at) {
    if (at->kind != KSMS_TAP_CLSACT) {
        struct ksms_tap_id_key key = {.router = at->router,
                                      .ifindex = at->ifindex,
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

/* Whatever DSCP it carries: what a firewall makes has none of ours. */
static __always_inline void ksms_watch_answer(const struct ksms_reader *from,
                                              const struct ksms_packet *packet,
                                              struct ksms_place *at) {
    struct ksms_probe probe = {};
    enum ksms_answer answer = ksms_answer_to(from->context, packet, &probe);
    if (answer == KSMS_ANSWER_NONE) return;
    struct ksms_tap *tap = ksms_find_tap(at);
    if (tap && ksms_counts_here(probe.dscp, tap, at)) ksms_count_answer(answer, packet, &probe, at);
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
    bool own = parsed == KSMS_PARSED && ksms_own(packet, &probe);
    if (own && !ksms_complete(from, packet)) {
        ksms_note_unparsable(at);
        return;
    }
    if (at->made_here && ksms_is_answer(packet)) ksms_watch_answer(from, packet, at);
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

static __always_inline int ksms_watch_skb(struct __sk_buff *skb, struct ksms_place *at) {
    struct ksms_reader from = {.how = KSMS_FROM_SKB, .context = skb, .ether_type = skb->protocol};
    struct ksms_packet packet = {.segments = skb->gso_segs > 1 ? skb->gso_segs : 1,
                                 .flags = skb->vlan_present ? KSMS_SEEN_VLAN : 0};
    ksms_watch(&from, &packet, at);
    return KSMS_HAND_ON;
}

/* A frame that a bridge flooded: it came in, but the router will not take it (linux/if_packet.h).
 */
static __always_inline bool ksms_for_another(const struct __sk_buff *skb, __u8 direction) {
    return direction == KSMS_INGRESS && skb->pkt_type == PACKET_OTHERHOST;
}

/* It goes out and came in nowhere. */
static __always_inline bool ksms_made_here(const struct __sk_buff *skb, __u8 direction) {
    return direction == KSMS_EGRESS && skb->ingress_ifindex == 0;
}

static __always_inline int ksms_watch_clsact(struct __sk_buff *skb, __u8 direction) {
    if (ksms_idle() || ksms_for_another(skb, direction)) return KSMS_HAND_ON;
    struct ksms_place at = {.tap = skb->tc_classid & 0xffff,
                            .direction = direction,
                            .kind = KSMS_TAP_CLSACT,
                            .made_here = ksms_made_here(skb, direction)};
    return ksms_watch_skb(skb, &at);
}

static __always_inline int ksms_watch_tcx(struct __sk_buff *skb, __u8 direction) {
    if (ksms_idle() || ksms_for_another(skb, direction)) return KSMS_HAND_ON;
    struct sk_buff *kernel = bpf_cast_to_kern_ctx(skb);
    struct ksms_place at = {.router = kernel->dev->nd_net.net->ns.inum,
                            .ifindex = kernel->dev->ifindex,
                            .direction = direction,
                            .kind = KSMS_TAP_TCX,
                            .made_here = ksms_made_here(skb, direction)};
    return ksms_watch_skb(skb, &at);
}

SEC("tc")
int ksms_clsact_ingress(struct __sk_buff *skb) {
    return ksms_watch_clsact(skb, KSMS_INGRESS);
}

SEC("tc")
int ksms_clsact_egress(struct __sk_buff *skb) {
    return ksms_watch_clsact(skb, KSMS_EGRESS);
}

SEC("tc")
int ksms_tcx_ingress(struct __sk_buff *skb) {
    return ksms_watch_tcx(skb, KSMS_INGRESS);
}

SEC("tc")
int ksms_tcx_egress(struct __sk_buff *skb) {
    return ksms_watch_tcx(skb, KSMS_EGRESS);
}

/* What eth_type_trans() finds out behind XDP: a unicast frame to another's address. */
static __always_inline bool ksms_frame_for_another(const struct net_device *dev,
                                                   const __u8 destination[ETH_ALEN]) {
    if (destination[0] & 1) return false;
    __u8 own[ETH_ALEN];
    if (bpf_probe_read_kernel(own, sizeof own, dev->dev_addr)) return false;
    bool same = true;
    for (int i = 0; i < ETH_ALEN; i++) same &= own[i] == destination[i];
    return !same;
}

/* A device without an Ethernet header (tun, generic XDP) starts with the IP header. */
static __always_inline bool ksms_find_network(const struct net_device *dev,
                                              struct ksms_reader *from) {
    if (dev->hard_header_len >= sizeof(struct ethhdr)) {
        struct ethhdr ethernet;
        if (!ksms_load(from, 0, &ethernet, sizeof ethernet)) return false;
        from->ether_type = ethernet.h_proto;
        from->network = sizeof ethernet;
        return !ksms_frame_for_another(dev, ethernet.h_dest);
    }
    __u8 first;
    if (!ksms_load(from, 0, &first, sizeof first)) return false;
    from->ether_type = ksms_type_by_version(first);
    return true;
}

SEC("xdp")
int ksms_xdp_ingress(struct xdp_md *xdp) {
    if (ksms_idle()) return XDP_PASS;
    struct xdp_buff *kernel = bpf_cast_to_kern_ctx(xdp);
    struct net_device *dev = kernel->rxq->dev;
    struct ksms_place at = {.router = dev->nd_net.net->ns.inum,
                            .ifindex = dev->ifindex,
                            .direction = KSMS_INGRESS,
                            .kind = KSMS_TAP_XDP};
    struct ksms_reader from = {.how = KSMS_FROM_XDP, .context = xdp};
    struct ksms_packet packet = {.segments = 1};
    if (ksms_find_network(dev, &from)) ksms_watch(&from, &packet, &at);
    return XDP_PASS;
}
