/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The taps of a whole router, at its first and its last hook of netfilter. They hand every packet
 * on. Not loaded unless asked for: the program type came with Linux 6.4. */
#include "event.bpf.h"
#include "watch.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
    KSMS_NF_ACCEPT = 1,         /* linux/netfilter.h */
    KSMS_NFPROTO_IPV4 = 2,      /* linux/netfilter.h */
    KSMS_IFF_LOOPBACK = 1 << 3, /* linux/if.h */
    KSMS_NO_HEADER = 0xffff,    /* skb_mac_header_was_set() */
};

/* By itself, as ksms_answered() in tap.bpf.c. @param family_protocol  family << 8 | protocol */
__noinline int ksms_answered_nf(__u64 header, __u32 limit, __u32 start, __u32 transport,
                                __u32 family_protocol) {
    struct ksms_reader from = {.how = KSMS_FROM_KERNEL, .context = (void *)header, .limit = limit};
    return ksms_answered_token(&from, start, transport, family_protocol >> 8,
                               family_protocol & 0xff);
}

static __always_inline int ksms_answered_by(const struct ksms_reader *from,
                                            const struct ksms_packet *packet) {
    return ksms_answered_nf((__u64)from->context, from->limit, packet->start, packet->transport,
                            (__u32)packet->family << 8 | packet->protocol);
}

/* With bridge-nf-call-iptables a bridge sends through these hooks also what it does not give to its
 * router: to another's address on its way in, and by a port on its way out. */
static __always_inline bool ksms_is_bridged(const struct sk_buff *skb, const struct net_device *dev,
                                            __u64 flags, __u8 direction) {
    if (!(flags & KSMS_IFF_EBRIDGE)) return false;
    if (direction == KSMS_EGRESS) {
        const struct net_device *by = skb->dev;
        return by && BPF_CORE_READ_BITFIELD(by, priv_flags) & KSMS_IFF_BRIDGE_PORT;
    }
    __u8 destination[ETH_ALEN];
    __u32 header = skb->mac_header;
    return header != KSMS_NO_HEADER &&
           !bpf_probe_read_kernel(destination, sizeof destination, skb->head + header) &&
           ksms_frame_for_another(dev, destination);
}

/* What no interface's own tap would see. A packet for a VRF comes by once more with the VRF as its
 * device. */
static __always_inline bool ksms_passes_by(const struct sk_buff *skb, const struct net_device *dev,
                                           __u8 direction) {
    __u64 flags = BPF_CORE_READ_BITFIELD(dev, priv_flags);
    if (dev->flags & KSMS_IFF_LOOPBACK) return true;
    if (direction == KSMS_INGRESS && flags & KSMS_IFF_L3MDEV_MASTER) return true;
    return ksms_is_bridged(skb, dev, flags, direction);
}

static __always_inline __u32 ksms_segments(const struct sk_buff *skb) {
    const struct skb_shared_info *shared = (const void *)(skb->head + skb->end);
    __u16 segments = BPF_CORE_READ(shared, gso_segs);
    return segments > 1 ? segments : 1;
}

/* @return false: nothing for this tap */
static __always_inline bool ksms_find_packet(const struct bpf_nf_ctx *context, __u8 direction,
                                             struct ksms_reader *from, struct ksms_place *at) {
    const struct nf_hook_state *state = context->state;
    const struct sk_buff *skb = context->skb;
    const struct net_device *dev = direction == KSMS_INGRESS ? state->in : state->out;
    if (!dev || ksms_passes_by(skb, dev, direction)) return false;
    __u32 network = skb->network_header, tail = skb->tail;
    if (network >= tail) return false;

    bool ipv4 = state->pf == KSMS_NFPROTO_IPV4;
    at->router = state->net->ns.inum;
    at->ifindex = dev->ifindex;
    at->direction = direction;
    at->kind = ipv4 ? KSMS_TAP_NETFILTER_IPV4 : KSMS_TAP_NETFILTER_IPV6;
    at->whole_router = true;
    from->how = KSMS_FROM_KERNEL;
    /* By the helper: read from the packet itself it is memory to newer verifiers, no number. */
    from->context = (void *)BPF_CORE_READ(skb, head) + network;
    from->limit = tail - network;
    from->whole = skb->len; /* it begins with the IP header here */
    from->ether_type = ipv4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
    return true;
}

static __always_inline int ksms_watch_nf(const struct bpf_nf_ctx *context, __u8 direction) {
    struct ksms_place at = {};
    struct ksms_reader from = {};
    if (ksms_find_packet(context, direction, &from, &at)) {
        struct ksms_packet packet = {.segments = ksms_segments(context->skb)};
        ksms_watch(&from, &packet, &at);
    }
    return KSMS_NF_ACCEPT;
}

/* Two functions, one after the other: the stack has no room for one within the other. */
static __noinline int ksms_watch_leaving(const struct bpf_nf_ctx *context) {
    return ksms_watch_nf(context, KSMS_EGRESS);
}

static __noinline int ksms_watch_own(const struct bpf_nf_ctx *context) {
    struct ksms_place at = {};
    struct ksms_reader from = {};
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    if (ksms_find_packet(context, KSMS_EGRESS, &from, &at))
        ksms_watch_made_here(&from, &packet, &probe, &at);
    return KSMS_NF_ACCEPT;
}

SEC("?netfilter")
int ksms_nf_ingress(struct bpf_nf_ctx *context) {
    return ksms_idle() ? KSMS_NF_ACCEPT : ksms_watch_nf(context, KSMS_INGRESS);
}

SEC("?netfilter")
int ksms_nf_egress(struct bpf_nf_ctx *context) {
    if (ksms_idle()) return KSMS_NF_ACCEPT;
    if (context->skb->skb_iif == 0) ksms_watch_own(context);
    return ksms_watch_leaving(context);
}

/* Behind every rule of a hook. */
static __noinline int ksms_note_passed(const struct bpf_nf_ctx *context,
                                       enum ksms_event_kind kind) {
    const struct nf_hook_state *state = context->state;
    const struct sk_buff *skb = context->skb;
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    __u32 network = skb->network_header, tail = skb->tail;
    if (network >= tail) return KSMS_NF_ACCEPT;
    bool ipv4 = state->pf == KSMS_NFPROTO_IPV4;
    struct ksms_reader from = {.how = KSMS_FROM_KERNEL,
                               .context = (void *)BPF_CORE_READ(skb, head) + network,
                               .limit = tail - network,
                               .whole = skb->len,
                               .ether_type = ipv4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6)};
    if (!ksms_find_followed(skb, true, &from, &packet, &probe)) return KSMS_NF_ACCEPT;
    const struct net_device *dev = kind == KSMS_EVENT_ROUTED ? state->out : state->in;
    struct ksms_happened what = {
        .kind = kind, .netns = state->net->ns.inum, .ifindex = dev ? dev->ifindex : 0};
    ksms_record(skb, &packet, &probe, &what);
    return KSMS_NF_ACCEPT;
}

SEC("?netfilter")
int ksms_nf_local_in(struct bpf_nf_ctx *context) {
    return ksms_note_passed(context, KSMS_EVENT_ACCEPTED);
}

SEC("?netfilter")
int ksms_nf_post_routing(struct bpf_nf_ctx *context) {
    return ksms_note_passed(context, KSMS_EVENT_ROUTED);
}
