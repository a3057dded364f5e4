/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One event of a probe's trail. */
#pragma once

#include "own.bpf.h"
#include "skb.bpf.h"

/* What is not in the packet. */
struct ksms_happened {
    enum ksms_event_kind kind;
    __u32 netns, ifindex;
    __u32 reason;
    __u64 place;
    enum ksms_hook hook;
};

static __always_inline bool ksms_trail_number(__u32 dscp, struct ksms_trail_key *key) {
    struct ksms_trail_end *end = bpf_map_lookup_elem(&trail_ends, &dscp);
    if (!end || end->events >= end->limit) return false;
    key->dscp = dscp;
    key->number = __sync_fetch_and_add(&end->events, 1);
    return key->number < end->limit;
}

static __always_inline __u8 ksms_event_flags_of(const struct sk_buff *skb,
                                                const struct ksms_packet *packet) {
    __u8 flags = packet->wrapped ? KSMS_EVENT_WRAPPED : 0;
    if (skb->skb_iif == 0) flags |= KSMS_EVENT_MADE_HERE;
    if (skb->sk) flags |= KSMS_EVENT_HAS_SOCKET;
    if (BPF_CORE_READ_BITFIELD(skb, pkt_type) == PACKET_OTHERHOST) flags |= KSMS_EVENT_FOR_ANOTHER;
    return flags;
}

static __always_inline void ksms_record(const struct sk_buff *skb, const struct ksms_packet *packet,
                                        const struct ksms_probe *probe,
                                        const struct ksms_happened *what) {
    struct ksms_trail_key key = {};
    if (!ksms_trail_number(probe->dscp, &key)) {
        ksms_stat(KSMS_STAT_TRAIL_FULL);
        return;
    }
    struct ksms_event event = {.at_ns = bpf_ktime_get_ns(),
                               .skb = (__u64)skb,
                               .head = (__u64)skb->head,
                               .place = what->place,
                               .netns = what->netns,
                               .ifindex = what->ifindex,
                               .probe = probe->probe,
                               .reason = what->reason,
                               .kind = what->kind,
                               .flags = ksms_event_flags_of(skb, packet),
                               .hook = what->hook,
                               .dscp = packet->dscp,
                               .ttl = packet->ttl,
                               .family = packet->family,
                               .source_port = packet->source_port,
                               .destination_port = packet->destination_port};
    __builtin_memcpy(event.source, packet->source, sizeof event.source);
    __builtin_memcpy(event.destination, packet->destination, sizeof event.destination);
    if (bpf_map_update_elem(&trail, &key, &event, BPF_ANY)) ksms_stat(KSMS_STAT_TRAIL_FULL);
}

static __always_inline bool ksms_is_recorded(__u32 dscp) {
    const struct ksms_trail_end *end = bpf_map_lookup_elem(&trail_ends, &dscp);
    return end && end->limit != 0;
}

/* Nothing of ours is in it, though a probe had this buffer before: some are freed without a
 * tracepoint (a datagram that was read, Linux 6.18), and an answer gets the next one. */
static __always_inline bool ksms_cannot_wrap(const struct sk_buff *skb, enum ksms_parsed parsed,
                                             const struct ksms_packet *packet) {
    if (skb->protocol == bpf_htons(ETH_P_ARP)) return true;
    if (parsed != KSMS_PARSED && parsed != KSMS_OTHER) return false;
    return packet->probe || packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_ICMP ||
           packet->protocol == IPPROTO_ICMPV6;
}

/* Whose packet is it? By its token; where it is in another packet, by its buffer.
 * @return false: nobody's whose trail is recorded */
static __always_inline bool ksms_find_followed(const struct sk_buff *skb, bool readable,
                                               const struct ksms_reader *from,
                                               struct ksms_packet *packet,
                                               struct ksms_probe *probe) {
    __u64 buffer = (__u64)skb;
    enum ksms_parsed parsed = readable ? ksms_parse(from, packet) : KSMS_NOT_IP;
    if (parsed == KSMS_PARSED && ksms_own(from, packet, probe)) {
        struct ksms_followed own = {.dscp = probe->dscp, .probe = probe->probe};
        if (!ksms_is_recorded(probe->dscp)) return false;
        bpf_map_update_elem(&followed, &buffer, &own, BPF_ANY);
        return true;
    }
    if (ksms_cannot_wrap(skb, parsed, packet)) {
        bpf_map_delete_elem(&followed, &buffer);
        return false;
    }
    const struct ksms_followed *known = bpf_map_lookup_elem(&followed, &buffer);
    if (!known || !ksms_is_recorded(known->dscp)) return false;
    probe->dscp = known->dscp;
    probe->probe = known->probe;
    *packet = (struct ksms_packet){.wrapped = true,
                                   .family = skb->protocol == bpf_htons(ETH_P_IP) ? 4 : 6};
    return true;
}
