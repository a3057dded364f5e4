/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a router itself sends back to a probe: seen on its way out, and told from what it forwards
 * by having come in nowhere. */
#pragma once

#include "count.bpf.h"

enum { KSMS_ANSWERED_SHIFT = 8 }; /* dscp and probe without the check: ksms_token_pack() */

static __always_inline void ksms_swap(__u64 *a, __u64 *b) {
    __u64 kept = *a;
    *a = *b;
    *b = kept;
}

/* The SYN that a RST or SYN-ACK acknowledges. @param packet  in: the answer's addresses; out: sent
 */
static __always_inline bool ksms_acknowledged(const struct ksms_reader *from, __u32 at,
                                              struct ksms_packet *packet) {
    struct tcphdr tcp;
    if (!ksms_load(from, at, &tcp, sizeof tcp) || !tcp.ack) return false;
    packet->protocol = IPPROTO_TCP;
    packet->token = bpf_ntohl(tcp.ack_seq) - 1;
    packet->source_port = bpf_ntohs(tcp.dest);
    packet->destination_port = bpf_ntohs(tcp.source);
    ksms_swap(&packet->source[0], &packet->destination[0]);
    ksms_swap(&packet->source[1], &packet->destination[1]);
    packet->probe = true;
    return true;
}

/* An IP header without extensions; ours have none, and a second loop over them is much for the
 * verifier. @return offset of what follows; 0: it is none */
static __always_inline __u32 ksms_read_ip(const struct ksms_reader *from, __u32 family,
                                          struct ksms_packet *packet) {
    if (family == 6)
        return ksms_read_ipv6(from, packet) ? packet->start + sizeof(struct ipv6hdr) : 0;
    __u32 header = ksms_read_ipv4(from, packet);
    return header ? packet->start + header : 0;
}

/* @param start, transport  offsets of the IP header and of what follows
 * @return 1 + its token without the check, 0: no answer to a probe of ours */
static __always_inline int ksms_answered_token(const struct ksms_reader *from, __u32 start,
                                               __u32 transport, __u32 family, __u32 protocol) {
    /* Linux quotes more than the headers (RFC 1812, section 4.3.2.3). */
    bool quotes = protocol != IPPROTO_TCP;
    struct ksms_packet sent = {.start = quotes ? transport + KSMS_ICMP_HEADER : start};
    struct ksms_probe probe = {};
    __u32 at = ksms_read_ip(from, family, &sent);
    if (!at) return 0;
    if (quotes ? ksms_parse_transport(from, at, sent.start + sent.bytes, &sent) != KSMS_PARSED
               : !ksms_acknowledged(from, transport, &sent))
        return 0;
    if (!ksms_own(from, &sent, &probe)) return 0;
    return 1 + (ksms_token_pack(probe.dscp, probe.probe, 0) >> KSMS_ANSWERED_SHIFT);
}

/* ksms_answered_token() as each kind of program calls it. */
static __always_inline int ksms_answered_by(const struct ksms_reader *from,
                                            const struct ksms_packet *packet);

static __always_inline bool ksms_is_answer(const struct ksms_packet *packet) {
    return packet->error || packet->answer;
}

/* @return KSMS_ANSWER_NONE: no answer to a probe of ours */
static __always_inline enum ksms_answer ksms_answer_to(const struct ksms_reader *from,
                                                       const struct ksms_packet *packet,
                                                       struct ksms_probe *probe) {
    int answered = ksms_answered_by(from, packet);
    if (answered <= 0) return KSMS_ANSWER_NONE;
    __u32 token = (__u32)(answered - 1) << KSMS_ANSWERED_SHIFT;
    probe->dscp = ksms_token_dscp(token);
    probe->probe = ksms_token_probe(token);
    probe->scan = ksms_active_scan(probe->dscp);
    if (!probe->scan || !ksms_find_service(probe)) return KSMS_ANSWER_NONE;
    if (packet->error) return KSMS_ANSWER_ICMP;
    return packet->reset ? KSMS_ANSWER_RESET : KSMS_ANSWER_SYN_ACK;
}

static __always_inline void ksms_count_answer(enum ksms_answer answer,
                                              const struct ksms_packet *packet,
                                              const struct ksms_probe *probe,
                                              const struct ksms_place *at) {
    struct ksms_counter *counter = ksms_counter(probe, at);
    if (!counter) return;
    counter->icmp_type = packet->icmp_type;
    counter->icmp_code = packet->icmp_code;
    counter->answer = answer;
}
