/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Why the kernel dropped a probe, and where on its way through the namespace that was. */
#include "count.bpf.h"
#include "skb.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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

/* Each scan attaches its own; where links have no cookie, every link notes the drops of every scan,
 * once each. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(ksms_drop, struct sk_buff *skb, void *location, int reason) {
    struct ksms_reader from = {};
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    /* A frame that a bridge flooded to a router that it was not for: no drop of the probe. */
    if (BPF_CORE_READ_BITFIELD(skb, pkt_type) == PACKET_OTHERHOST && !ksms_is_on_bridge(skb))
        return 0;
    if (!ksms_read_skb(skb, &from) || ksms_parse(&from, &packet) != KSMS_PARSED ||
        !ksms_own(&from, &packet, &probe) || !ksms_is_wanted(ctx, probe.dscp))
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
