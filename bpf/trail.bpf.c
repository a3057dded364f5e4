/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What happens to a probe, one event after the other, in every namespace. A scan attaches these
 * programs while it looks closely at single probes; they see every packet of the machine then. */
#include "event.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* @param from  NULL bytes where `readable` is false
 * @param dev  where it is; NULL: nobody knows */
static __always_inline void ksms_follow(void *context, const struct sk_buff *skb, bool readable,
                                        const struct ksms_reader *from,
                                        const struct net_device *dev, enum ksms_event_kind kind) {
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    if (!ksms_find_followed(skb, readable, from, &packet, &probe) ||
        !ksms_is_wanted(context, probe.dscp))
        return;
    struct ksms_happened what = {.kind = kind,
                                 .netns = BPF_CORE_READ(dev, nd_net.net, ns.inum),
                                 .ifindex = BPF_CORE_READ(dev, ifindex)};
    ksms_record(skb, &packet, &probe, &what);
}

/* The network header is where the data begins: __netif_receive_skb_core() says so only later. */
SEC("tp_btf/netif_receive_skb")
int BPF_PROG(ksms_trail_in, struct sk_buff *skb) {
    struct ksms_reader from = {};
    bool readable = ksms_read_from(skb, skb->data - skb->head, &from);
    ksms_follow(ctx, skb, readable, &from, skb->dev, KSMS_EVENT_IN);
    return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(ksms_trail_out, const struct sk_buff *skb, const struct net_device *dev) {
    struct ksms_reader from = {};
    bool readable = ksms_read_skb(skb, &from);
    ksms_follow(ctx, skb, readable, &from, dev, KSMS_EVENT_OUT);
    return 0;
}

static __always_inline void ksms_forget(const struct sk_buff *skb) {
    __u64 buffer = (__u64)skb;
    bpf_map_delete_elem(&followed, &buffer);
}

SEC("tp_btf/consume_skb")
int BPF_PROG(ksms_trail_consumed, struct sk_buff *skb) {
    struct ksms_reader from = {};
    bool readable = ksms_read_skb(skb, &from);
    ksms_follow(ctx, skb, readable, &from, skb->dev, KSMS_EVENT_CONSUMED);
    ksms_forget(skb);
    return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(ksms_trail_dropped, struct sk_buff *skb, void *location, int reason) {
    struct ksms_reader from = {};
    struct ksms_packet packet = {.segments = 1};
    struct ksms_probe probe = {};
    bool readable = ksms_read_skb(skb, &from);
    if (!ksms_find_followed(skb, readable, &from, &packet, &probe)) return 0;
    ksms_forget(skb);
    if (!ksms_is_wanted(ctx, probe.dscp)) return 0;
    struct dst_entry *route = ksms_route(skb);
    struct ksms_happened what = {.kind = KSMS_EVENT_DROPPED,
                                 .netns = ksms_namespace(skb, route),
                                 .ifindex = BPF_CORE_READ(skb, dev, ifindex),
                                 .reason = reason,
                                 .place = (__u64)location,
                                 .hook = ksms_hook_of(skb, route, packet.family)};
    ksms_record(skb, &packet, &probe, &what);
    return 0;
}
