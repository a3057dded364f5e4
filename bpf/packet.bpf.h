/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Packet -> addresses, ports, DSCP, token; the same for every kind of program. Everything is read
 * from the network header on, so that devices without an Ethernet header need no care. */
#pragma once

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ksms/abi.h"
#include "ksms/token.h"

/* Where bytes come from. `how` is a constant in every program, so that only one branch of
 * ksms_load() is compiled into it. */
enum ksms_source { KSMS_FROM_SKB, KSMS_FROM_XDP, KSMS_FROM_KERNEL };
struct ksms_reader {
    enum ksms_source how;
    void *context;     /* KSMS_FROM_KERNEL: the network header's address */
    __u32 network;     /* KSMS_FROM_XDP: offset of the network header */
    __u32 limit;       /* KSMS_FROM_KERNEL: bytes there are from the network header on */
    __u32 whole;       /* KSMS_FROM_KERNEL: the same with what is in pages; 0: not known */
    __be16 ether_type; /* of what stands at the network header */
};

struct ksms_packet {
    __u64 source[2] __attribute__((aligned(8))); /* as in struct ksms_scan */
    __u64 destination[2];
    __u32 start; /* of the IP header, behind the network header: VLAN tags are skipped */
    __u32 bytes; /* of IP, its header included */
    __u32 segments;
    __u32 token; /* sealed; where `probe` */
    __u16 source_port, destination_port;
    __u16 fragment; /* IPv4: flags and offset */
    __u8 family;    /* 4 or 6 */
    __u8 protocol;
    __u8 dscp;
    __u8 ttl;
    __u8 flags;         /* KSMS_SEEN_FRAGMENT, KSMS_SEEN_VLAN */
    bool probe;         /* it may be one of ours: it has a token's place */
    bool sized;         /* a SYN whose header is as long as ours */
    bool answer, reset; /* TCP: RST or SYN-ACK; RST */
    bool error;         /* ICMP; the two below say which */
    __u8 icmp_type, icmp_code;
    __u32 transport; /* of TCP and ICMP: offset of the header */
    bool wrapped;    /* it is in another packet, which was not looked into */
};

enum ksms_parsed {
    KSMS_PARSED,     /* TCP or UDP, ports and all */
    KSMS_OTHER,      /* IP with another transport protocol, or an encrypted one */
    KSMS_FRAGMENT,   /* not the first: no ports */
    KSMS_UNPARSABLE, /* it says that it is IP, and is not */
    KSMS_NOT_IP,
};

enum {
    KSMS_MAX_VLANS = 2,
    KSMS_MAX_EXTENSIONS = 8,
    KSMS_VLAN_SIZE = 4,
    KSMS_ICMP_HEADER = 8,
    KSMS_TOKEN_END = sizeof(struct udphdr) + 8, /* magic and token */
    KSMS_FRAGMENT_OFFSET = 0x1fff,              /* RFC 791, in units of 8 bytes */
    KSMS_MORE_FRAGMENTS = 0x2000,
    KSMS_FRAGMENT_OFFSET6 = 0xfff8, /* RFC 8200, section 4.5 */
    KSMS_MORE_FRAGMENTS6 = 0x0001,
};

/* @return false: the packet ends before */
static __always_inline bool ksms_load(const struct ksms_reader *from, __u32 offset, void *to,
                                      __u32 size) {
    switch (from->how) {
        case KSMS_FROM_SKB:
            return bpf_skb_load_bytes_relative(from->context, offset, to, size,
                                               BPF_HDR_START_NET) == 0;
        case KSMS_FROM_XDP:
            return bpf_xdp_load_bytes(from->context, from->network + offset, to, size) == 0;
        case KSMS_FROM_KERNEL:
            return offset + size <= from->limit &&
                   bpf_probe_read_kernel(to, size, from->context + offset) == 0;
    }
    return false;
}

static __always_inline bool ksms_is_ip(__be16 type) {
    return type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6);
}
static __always_inline bool ksms_is_vlan(__be16 type) {
    return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* Older kernels push a second tag without moving the network header, which is behind both tags
 * then: what would be a tag's EtherType is the length of an IP packet. XDP sees a frame as it came.
 */
static __always_inline __be16 ksms_type_by_version(__u8 first) {
    if (first >> 4 == 4) return bpf_htons(ETH_P_IP);
    return first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : 0;
}

/* Tags that stand in the packet itself: the inner one of two (the kernel takes the outer one out),
 * or both in XDP.
 * @return the EtherType of what follows */
static __always_inline __be16 ksms_skip_vlans(const struct ksms_reader *from,
                                              struct ksms_packet *packet) {
    __be16 type = from->ether_type;
#pragma unroll
    for (int i = 0; i < KSMS_MAX_VLANS && ksms_is_vlan(type); i++) {
        struct {
            __u8 tci[2];
            __be16 type;
        } tag;
        if (!ksms_load(from, packet->start, &tag, sizeof tag)) return type;
        packet->flags |= KSMS_SEEN_VLAN;
        if (!ksms_is_ip(tag.type) && !ksms_is_vlan(tag.type))
            return from->how == KSMS_FROM_XDP ? 0 : ksms_type_by_version(tag.tci[0]);
        packet->start += KSMS_VLAN_SIZE;
        type = tag.type;
    }
    return type;
}

/* A SYN whose timestamp repeats the token, as ours does. */
static __always_inline bool ksms_is_stamped(const struct ksms_reader *from,
                                            const struct ksms_packet *packet) {
    __be32 stamp;
    __u32 at = packet->transport + KSMS_SYN_STAMP;
    return packet->sized && at + sizeof stamp <= packet->start + packet->bytes &&
           ksms_load(from, at, &stamp, sizeof stamp) && bpf_ntohl(stamp) == (packet->token | 1);
}

static __always_inline enum ksms_parsed ksms_parse_tcp(const struct ksms_reader *from, __u32 at,
                                                       __u32 end, struct ksms_packet *packet) {
    struct tcphdr tcp;
    if (at + sizeof tcp > end || !ksms_load(from, at, &tcp, sizeof tcp) || tcp.doff < 5)
        return KSMS_UNPARSABLE;
    packet->source_port = bpf_ntohs(tcp.source);
    packet->destination_port = bpf_ntohs(tcp.dest);
    packet->token = bpf_ntohl(tcp.seq);
    packet->probe = tcp.syn && !tcp.ack && !tcp.rst && !tcp.fin;
    packet->sized = packet->probe && tcp.doff == KSMS_SYN_SIZE / 4;
    packet->answer = tcp.rst || (tcp.syn && tcp.ack);
    packet->reset = tcp.rst;
    packet->transport = at;
    return KSMS_PARSED;
}

static __always_inline enum ksms_parsed ksms_parse_udp(const struct ksms_reader *from, __u32 at,
                                                       __u32 end, struct ksms_packet *packet) {
    struct {
        struct udphdr udp;
        __be32 magic, token;
    } head = {};
    bool whole = at + KSMS_TOKEN_END <= end && ksms_load(from, at, &head, sizeof head);
    if (!whole && (at + sizeof head.udp > end || !ksms_load(from, at, &head.udp, sizeof head.udp)))
        return KSMS_UNPARSABLE;
    __u16 length = bpf_ntohs(head.udp.len);
    if (length < sizeof head.udp) return KSMS_UNPARSABLE;
    packet->source_port = bpf_ntohs(head.udp.source);
    packet->destination_port = bpf_ntohs(head.udp.dest);
    packet->token = bpf_ntohl(head.token);
    packet->probe =
        whole && length >= KSMS_TOKEN_END && head.magic == bpf_htonl(KSMS_PAYLOAD_MAGIC);
    return KSMS_PARSED;
}

/* RFC 792 and RFC 4443: which types are errors. */
static __always_inline bool ksms_is_error(__u8 family, __u8 type) {
    if (family == 6) return type < 128;
    return type == 3 || type == 11 || type == 12;
}

static __always_inline enum ksms_parsed ksms_parse_icmp(const struct ksms_reader *from, __u32 at,
                                                        struct ksms_packet *packet) {
    struct {
        __u8 type, code;
    } icmp;
    if (!ksms_load(from, at, &icmp, sizeof icmp) || !ksms_is_error(packet->family, icmp.type))
        return KSMS_OTHER;
    packet->icmp_type = icmp.type;
    packet->icmp_code = icmp.code;
    packet->error = true;
    packet->transport = at;
    return KSMS_OTHER;
}

static __always_inline enum ksms_parsed ksms_parse_transport(const struct ksms_reader *from,
                                                             __u32 at, __u32 end,
                                                             struct ksms_packet *packet) {
    switch (packet->protocol) {
        case IPPROTO_TCP:
            return ksms_parse_tcp(from, at, end, packet);
        case IPPROTO_UDP:
            return ksms_parse_udp(from, at, end, packet);
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
            return ksms_parse_icmp(from, at, packet);
    }
    return KSMS_OTHER;
}

/* @return its length, 0: it is no IPv4 header */
static __always_inline __u32 ksms_read_ipv4(const struct ksms_reader *from,
                                            struct ksms_packet *packet) {
    struct iphdr ip;
    if (!ksms_load(from, packet->start, &ip, sizeof ip)) return 0;
    __u32 header = ip.ihl * 4, total = bpf_ntohs(ip.tot_len);
    if (ip.version != 4 || header < sizeof ip || total < header) return 0;
    packet->family = 4;
    packet->protocol = ip.protocol;
    packet->dscp = ip.tos >> 2;
    packet->ttl = ip.ttl;
    packet->bytes = total;
    packet->fragment = bpf_ntohs(ip.frag_off);
    *(__be32 *)packet->source = ip.saddr;
    *(__be32 *)packet->destination = ip.daddr;
    return header;
}

static __always_inline enum ksms_parsed ksms_parse_ipv4(const struct ksms_reader *from,
                                                        struct ksms_packet *packet) {
    __u32 header = ksms_read_ipv4(from, packet);
    if (!header) return KSMS_UNPARSABLE;
    if (packet->fragment & KSMS_FRAGMENT_OFFSET) return KSMS_FRAGMENT;
    if (packet->fragment & KSMS_MORE_FRAGMENTS) packet->flags |= KSMS_SEEN_FRAGMENT;
    return ksms_parse_transport(from, packet->start + header, packet->start + packet->bytes,
                                packet);
}

/* Behind the IPv6 header, to the transport header. @param at in and out */
static __always_inline enum ksms_parsed ksms_skip_extensions(const struct ksms_reader *from,
                                                             __u32 *at, __u32 end,
                                                             struct ksms_packet *packet) {
/* Linux 6.1 takes a loop whose head follows a call for an endless one (check_cfg(): back-edge). */
#pragma unroll
    for (int i = 0; i <= KSMS_MAX_EXTENSIONS; i++) {
        struct {
            __u8 next, length;
            __be16 fragment;
        } extension;
        __u8 kind = packet->protocol;
        if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_DSTOPTS &&
            kind != IPPROTO_FRAGMENT && kind != IPPROTO_AH)
            return KSMS_PARSED;
        if (i == KSMS_MAX_EXTENSIONS || *at + 8 > end ||
            !ksms_load(from, *at, &extension, sizeof extension))
            return KSMS_UNPARSABLE;
        packet->protocol = extension.next;
        if (kind == IPPROTO_FRAGMENT) {
            __u16 fragment = bpf_ntohs(extension.fragment);
            if (fragment & KSMS_FRAGMENT_OFFSET6) return KSMS_FRAGMENT;
            if (fragment & KSMS_MORE_FRAGMENTS6) packet->flags |= KSMS_SEEN_FRAGMENT;
            *at += 8;
        } else if (kind == IPPROTO_AH) {
            *at += (extension.length + 2) * 4; /* RFC 4302, section 2.2 */
        } else {
            *at += (extension.length + 1) * 8;
        }
    }
    return KSMS_UNPARSABLE;
}

/* A length of 0 is a jumbogram (RFC 2675), or nothing at all: no probe of ours either way. */
static __always_inline bool ksms_read_ipv6(const struct ksms_reader *from,
                                           struct ksms_packet *packet) {
    struct ipv6hdr ip;
    if (!ksms_load(from, packet->start, &ip, sizeof ip) || ip.version != 6) return false;
    packet->family = 6;
    packet->protocol = ip.nexthdr;
    packet->dscp = (ip.priority << 2 | ip.flow_lbl[0] >> 6) & 63;
    packet->ttl = ip.hop_limit;
    packet->bytes = sizeof ip + bpf_ntohs(ip.payload_len);
    __builtin_memcpy(packet->source, &ip.saddr, sizeof ip.saddr);
    __builtin_memcpy(packet->destination, &ip.daddr, sizeof ip.daddr);
    return true;
}

static __always_inline enum ksms_parsed ksms_parse_ipv6(const struct ksms_reader *from,
                                                        struct ksms_packet *packet) {
    if (!ksms_read_ipv6(from, packet)) return KSMS_UNPARSABLE;
    __u32 at = packet->start + sizeof(struct ipv6hdr), end = packet->start + packet->bytes;
    enum ksms_parsed extensions = ksms_skip_extensions(from, &at, end, packet);
    if (extensions != KSMS_PARSED) return extensions;
    return ksms_parse_transport(from, at, end, packet);
}

/* @param packet  zeroed but for `segments` and `flags` */
static __always_inline enum ksms_parsed ksms_parse(const struct ksms_reader *from,
                                                   struct ksms_packet *packet) {
    __be16 type = ksms_skip_vlans(from, packet);
    if (type == bpf_htons(ETH_P_IP)) return ksms_parse_ipv4(from, packet);
    if (type == bpf_htons(ETH_P_IPV6)) return ksms_parse_ipv6(from, packet);
    return KSMS_NOT_IP;
}

/* Part of it is in pages, where BPF_HDR_START_NET does not reach: reassembled, or from a driver. */
static __always_inline bool ksms_is_paged(const struct __sk_buff *skb) {
    return skb->data_end - skb->data < skb->len;
}

/* Is it there to the last byte that IP says it has? In pages nobody can tell but for the length of
 * the link's header. */
static __always_inline bool ksms_complete(const struct ksms_reader *from,
                                          const struct ksms_packet *packet) {
    __u8 last;
    if (ksms_load(from, packet->start + packet->bytes - 1, &last, sizeof last)) return true;
    if (from->how == KSMS_FROM_KERNEL)
        return from->whole > from->limit && from->whole >= packet->start + packet->bytes;
    if (from->how != KSMS_FROM_SKB) return false;
    const struct __sk_buff *skb = from->context;
    return ksms_is_paged(skb) && skb->len >= packet->start + packet->bytes;
}
