/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The taps. They look at a packet and hand it on, always: nothing here can change its fate. */
#include <linux/if_packet.h>

#include "watch.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { KSMS_HAND_ON = -1 }; /* TC_ACT_UNSPEC for a filter, TCX_NEXT for a link */

/* A function by itself, which the verifier looks at once: as a part of every way that leads to it
 * it would cost ten times as much. */
__noinline int ksms_answered(struct __sk_buff *skb, __u32 start, __u32 transport, __u32 family,
                             __u32 protocol) {
    struct ksms_reader from = {.how = KSMS_FROM_SKB, .context = skb};
    return ksms_answered_token(&from, start, transport, family, protocol);
}

static __always_inline int ksms_answered_by(const struct ksms_reader *from,
                                            const struct ksms_packet *packet) {
    return ksms_answered(from->context, packet->start, packet->transport, packet->family,
                         packet->protocol);
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
static __always_inline bool ksms_for_another(const struct __sk_buff *skb) {
    return skb->pkt_type == PACKET_OTHERHOST;
}

/* Of what goes out: it came in nowhere. */
static __always_inline bool ksms_made_here(const struct __sk_buff *skb) {
    return skb->ingress_ifindex == 0;
}

static __always_inline struct ksms_place ksms_clsact_place(const struct __sk_buff *skb,
                                                           __u8 direction) {
    return (struct ksms_place){
        .tap = skb->tc_classid & 0xffff, .direction = direction, .kind = KSMS_TAP_CLSACT};
}

static __always_inline struct ksms_place ksms_tcx_place(struct __sk_buff *skb, __u8 direction) {
    struct sk_buff *kernel = bpf_cast_to_kern_ctx(skb);
    return (struct ksms_place){.router = kernel->dev->nd_net.net->ns.inum,
                               .ifindex = kernel->dev->ifindex,
                               .direction = direction,
                               .kind = KSMS_TAP_TCX};
}

static __always_inline int ksms_watch_answers(struct __sk_buff *skb, struct ksms_place *at) {
    struct ksms_reader from = {.how = KSMS_FROM_SKB, .context = skb, .ether_type = skb->protocol};
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    ksms_watch_made_here(&from, &packet, &probe, at);
    return 0;
}

/* Two, since a kernel without bpf_cast_to_kern_ctx() loads the first one alone. */
__noinline int ksms_clsact_answers(struct __sk_buff *skb) {
    struct ksms_place at = ksms_clsact_place(skb, KSMS_EGRESS);
    return ksms_watch_answers(skb, &at);
}
__noinline int ksms_tcx_answers(struct __sk_buff *skb) {
    struct ksms_place at = ksms_tcx_place(skb, KSMS_EGRESS);
    return ksms_watch_answers(skb, &at);
}

/* By itself too: the stack has no room for the answers within it. */
static __noinline int ksms_clsact_leaving(struct __sk_buff *skb) {
    struct ksms_place at = ksms_clsact_place(skb, KSMS_EGRESS);
    return ksms_watch_skb(skb, &at);
}
static __noinline int ksms_tcx_leaving(struct __sk_buff *skb) {
    struct ksms_place at = ksms_tcx_place(skb, KSMS_EGRESS);
    return ksms_watch_skb(skb, &at);
}

SEC("tc")
int ksms_clsact_ingress(struct __sk_buff *skb) {
    if (ksms_idle() || ksms_for_another(skb)) return KSMS_HAND_ON;
    struct ksms_place at = ksms_clsact_place(skb, KSMS_INGRESS);
    return ksms_watch_skb(skb, &at);
}

SEC("tc")
int ksms_clsact_egress(struct __sk_buff *skb) {
    if (ksms_idle()) return KSMS_HAND_ON;
    if (ksms_made_here(skb)) ksms_clsact_answers(skb);
    return ksms_clsact_leaving(skb);
}

SEC("tc")
int ksms_tcx_ingress(struct __sk_buff *skb) {
    if (ksms_idle() || ksms_for_another(skb)) return KSMS_HAND_ON;
    struct ksms_place at = ksms_tcx_place(skb, KSMS_INGRESS);
    return ksms_watch_skb(skb, &at);
}

SEC("tc")
int ksms_tcx_egress(struct __sk_buff *skb) {
    if (ksms_idle()) return KSMS_HAND_ON;
    if (ksms_made_here(skb)) ksms_tcx_answers(skb);
    return ksms_tcx_leaving(skb);
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
