/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Why the kernel dropped a probe, and where on its way through the namespace that was. */
#include <linux/if_packet.h>

#include "count.bpf.h"
#include "kernel.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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

static __always_inline struct ksms_drop *ksms_hash_drop(const struct ksms_probe *probe,
                                                        __u32 router) {
    struct ksms_drop_key key = {.dscp = probe->dscp,
                                .protocol = probe->protocol,
                                .port = probe->port,
                                .router = router,
                                .entry = probe->entry};
    struct ksms_drop *drop = bpf_map_lookup_elem(&drops, &key);
    if (drop) return drop;
    struct ksms_drop fresh = {};
    bpf_map_update_elem(&drops, &key, &fresh, BPF_NOEXIST);
    drop = bpf_map_lookup_elem(&drops, &key);
    if (!drop) ksms_stat(KSMS_STAT_DROPS_FULL);
    return drop;
}

static __always_inline struct ksms_drop *ksms_drop_of(const struct ksms_probe *probe, __u32 router,
                                                      __u32 slot) {
    if (probe->scan->store == KSMS_STORE_HASH) return ksms_hash_drop(probe, router);
    __u32 index = slot * probe->scan->probes + probe->probe;
    void *table = bpf_map_lookup_elem(&dense_drops, &probe->dscp);
    struct ksms_drop *drop = table ? bpf_map_lookup_elem(table, &index) : NULL;
    if (!drop) ksms_stat(KSMS_STAT_NO_STORE);
    return drop;
}

/* @return false: not IP, or headers that nobody has found yet */
static __always_inline bool ksms_read_skb(const struct sk_buff *skb, struct ksms_reader *from) {
    /* A frame that a bridge flooded to a router that it was not for: no drop of the probe. */
    if (BPF_CORE_READ_BITFIELD(skb, pkt_type) == PACKET_OTHERHOST) return false;
    __u32 network = skb->network_header;
    if (network == KSMS_NO_NETWORK_HEADER || network >= skb->tail) return false;
    from->how = KSMS_FROM_KERNEL;
    from->context = skb->head + network;
    from->limit = skb->tail - network;
    from->ether_type = skb->protocol;
    return true;
}

/* The link's cookie is the DSCP of the scan that it was attached for; each scan attaches its own.
 * Before Linux 6.10 it reads 0: then every link notes the drops of every scan, once each. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(ksms_drop, struct sk_buff *skb, void *location, int reason) {
    struct ksms_reader from = {};
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    /* An older kernel's verifier never sees the call: the condition is a constant then. */
    __u32 wanted = 0;
    if (bpf_core_field_exists(struct bpf_raw_tp_link, cookie)) wanted = bpf_get_attach_cookie(ctx);
    if (!ksms_read_skb(skb, &from) || ksms_parse(&from, &packet) != KSMS_PARSED ||
        !ksms_own(&packet, &probe) || (wanted && wanted != probe.dscp))
        return 0;

    struct dst_entry *route = ksms_route(skb);
    struct ksms_scan_router_key key = {.router = ksms_namespace(skb, route), .dscp = probe.dscp};
    const struct ksms_scan_router *router = bpf_map_lookup_elem(&scan_routers, &key);
    struct ksms_drop *drop = router ? ksms_drop_of(&probe, key.router, router->slot) : NULL;
    if (!drop) return 0;
    drop->at_ns = bpf_ktime_get_ns();
    drop->reason = reason;
    drop->ifindex = BPF_CORE_READ(skb, dev, ifindex);
    drop->port = probe.port;
    drop->protocol = probe.protocol;
    drop->hook = ksms_hook_of(skb, route, packet.family);
    drop->place = (__u64)location;
    /* Last: who reads a drop here reads the fields above of it too. */
    __sync_fetch_and_add(&drop->count, 1);
    return 0;
}
