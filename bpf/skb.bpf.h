/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where in the kernel a packet is, from the sk_buff itself: namespace, route, netfilter's hook. For
 * programs on tracepoints. */
#pragma once

#include <linux/if_packet.h>

#include "kernel.bpf.h"
#include "packet.bpf.h"

enum {
    KSMS_RTN_LOCAL = 2,              /* enum in linux/rtnetlink.h */
    KSMS_RTF_LOCAL = 0x80000000,     /* linux/ipv6_route.h */
    KSMS_DST_METADATA = 0x80,        /* net/dst.h: a tunnel's, no route */
    KSMS_NO_NETWORK_HEADER = 0xffff, /* skb_network_header_was_set() */
};
#define KSMS_DST_POINTER (~1ul) /* net/skbuff.h: SKB_DST_PTRMASK */

/* The route, or NULL. */
static __always_inline struct dst_entry *ksms_route(const struct sk_buff *skb) {
    struct dst_entry *dst = (void *)(skb->_skb_refdst & KSMS_DST_POINTER);
    if (!dst || BPF_CORE_READ(dst, flags) & KSMS_DST_METADATA) return NULL;
    return dst;
}

/* The socket last: at netfilter's netdev hook a packet that came over a veth still has its
 * sender's. */
static __always_inline __u32 ksms_namespace(const struct sk_buff *skb,
                                            const struct dst_entry *route) {
    __u32 inode = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
    if (!inode && route) inode = BPF_CORE_READ(route, dev, nd_net.net, ns.inum);
    if (!inode) inode = BPF_CORE_READ(skb, sk, __sk_common.skc_net.net, ns.inum);
    return inode;
}

static __always_inline bool ksms_route_is_local(const struct dst_entry *route, __u8 family) {
    if (family == 4) return BPF_CORE_READ((const struct rtable *)route, rt_type) == KSMS_RTN_LOCAL;
    return BPF_CORE_READ((const struct rt6_info *)route, rt6i_flags) & (__u32)KSMS_RTF_LOCAL;
}

/* ip_rcv_core() and ip6_rcv_core() clear the control block and write the interface to its head. In
 * front of them, and from __dev_queue_xmit() on, the packet is the device's, and its length stands
 * there (qdisc_skb_cb). */
static __always_inline int ksms_control_head(const struct sk_buff *skb) {
    const struct inet_skb_parm *parm = (const void *)skb->cb;
    return BPF_CORE_READ(parm, iif);
}

/* A bridge's ports and a VRF have hooks of netfilter's of their own. */
static __always_inline bool ksms_in_front_of_ip(const struct sk_buff *skb,
                                                const struct net_device *dev) {
    if (!dev || ksms_control_head(skb) == skb->skb_iif) return false;
    __u64 flags = BPF_CORE_READ_BITFIELD(dev, priv_flags);
    return !(flags & (KSMS_IFF_BRIDGE_PORT | KSMS_IFF_L3MDEV_MASTER));
}

static __always_inline bool ksms_behind_ip(const struct sk_buff *skb) {
    int head = ksms_control_head(skb);
    return head != skb->skb_iif && head == (int)skb->len;
}

/* The reason does not tell the hook; the packet does: it has no route before PREROUTING is over, a
 * local one at INPUT, the device it came from until POSTROUTING. */
static __always_inline enum ksms_hook ksms_hook_of(const struct sk_buff *skb,
                                                   const struct dst_entry *route, __u8 family) {
    __u32 from = skb->skb_iif; /* 0: it was made here */
    const struct net_device *dev = skb->dev;
    __u32 ifindex = BPF_CORE_READ(dev, ifindex);
    if (!route) {
        if (!from || from != ifindex) return KSMS_HOOK_UNKNOWN;
        return ksms_in_front_of_ip(skb, dev) ? KSMS_HOOK_INGRESS : KSMS_HOOK_PREROUTING;
    }
    if (BPF_CORE_READ(route, error)) return KSMS_HOOK_UNKNOWN; /* the routing decision itself */
    if (from && ksms_route_is_local(route, family)) return KSMS_HOOK_INPUT;
    bool leaving = dev && dev == BPF_CORE_READ(route, dev);
    if (leaving && ksms_behind_ip(skb)) return KSMS_HOOK_EGRESS;
    if (!from) return leaving ? KSMS_HOOK_POSTROUTING : KSMS_HOOK_OUTPUT;
    if (!leaving) return KSMS_HOOK_FORWARD;
    /* Back the way it came: FORWARD and POSTROUTING look alike. */
    return from == ifindex ? KSMS_HOOK_UNKNOWN : KSMS_HOOK_POSTROUTING;
}

/* At a bridge's port every frame is for another. */
static __always_inline bool ksms_is_on_bridge(const struct sk_buff *skb) {
    const struct net_device *dev = skb->dev;
    return dev && BPF_CORE_READ_BITFIELD(dev, priv_flags) & KSMS_IFF_BRIDGE_PORT;
}

/* @param network  offset of the network header from skb->head
 * @return false: there is none, or nothing behind it */
static __always_inline bool ksms_read_from(const struct sk_buff *skb, __u32 network,
                                           struct ksms_reader *from) {
    if (network == KSMS_NO_NETWORK_HEADER || network >= skb->tail) return false;
    from->how = KSMS_FROM_KERNEL;
    /* By the helper: read from the packet itself it is memory to newer verifiers, no number, and
     * they follow each offset into it exactly. */
    from->context = (void *)BPF_CORE_READ(skb, head) + network;
    from->limit = skb->tail - network;
    from->ether_type = skb->protocol;
    return true;
}

/* @return false: not IP, or headers that nobody has found yet */
static __always_inline bool ksms_read_skb(const struct sk_buff *skb, struct ksms_reader *from) {
    return ksms_read_from(skb, skb->network_header, from);
}

/* The cookie of a tracing program's link is the DSCP of the scan that it was attached for. Before
 * Linux 6.10 it reads 0, and every link serves all scans; an older verifier never sees the call,
 * since the condition is a constant then. */
static __always_inline bool ksms_is_wanted(void *context, __u32 dscp) {
    __u32 wanted = 0;
    if (bpf_core_field_exists(struct bpf_raw_tp_link, cookie))
        wanted = bpf_get_attach_cookie(context);
    return !wanted || wanted == dscp;
}
