/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Part of the ABI, like abi.h: how a probe is known. */
#pragma once

#include "ksms/abi.h"

/* the token: which probe a packet is, whatever was rewritten on its way.
 * 32 bits, dscp:6 | probe:18 | check:8 (low bits of the
 * lease's generation), through a bijection under the machine's secret, so that a stranger's random
 * sequence number is ours by accident once in 2^32 / probes. TCP: the sequence number. UDP:
 * bytes 4..7 of the payload, behind the magic. */
#define KSMS_PAYLOAD_MAGIC 0x4b534d53u /* "KSMS", network order on the wire */
enum {
    KSMS_PAYLOAD_SIZE = 16, /* magic, token, generation, zero: each u32, network order */
    KSMS_SYN_SIZE = 40,     /* of a TCP probe's header, its options included */
    KSMS_SYN_STAMP = 28, /* where its timestamp is: the token with its last bit set; 0 means none */
};

static inline ksms_u32 ksms_token_pack(ksms_u32 dscp, ksms_u32 probe, ksms_u32 generation) {
    return (dscp & 63u) << 26 | (probe & 0x3ffffu) << 8 | (generation & 0xffu);
}
static inline ksms_u32 ksms_token_dscp(ksms_u32 token) {
    return token >> 26;
}
static inline ksms_u32 ksms_token_probe(ksms_u32 token) {
    return token >> 8 & 0x3ffffu;
}
static inline ksms_u32 ksms_token_check(ksms_u32 token) {
    return token & 0xffu;
}

/* One Feistel round's function: the finalizer of MurmurHash3, cut to 16 bits. */
static inline ksms_u32 ksms_token_mix(ksms_u32 half, ksms_u32 key) {
    half = (half ^ key) * 0x85ebca6bu;
    half ^= half >> 13;
    half *= 0xc2b2ae35u;
    return (half ^ half >> 16) & 0xffffu;
}
/* A Feistel network of four rounds over two halves of 16 bits. It hides, it does not sign: who
 * reads our packets can replay them. */
static inline ksms_u32 ksms_token_seal(ksms_u32 token, const ksms_u32 key[4]) {
    ksms_u32 left = token >> 16, right = token & 0xffffu, next;
    next = left ^ ksms_token_mix(right, key[0]);
    left = right;
    right = next;
    next = left ^ ksms_token_mix(right, key[1]);
    left = right;
    right = next;
    next = left ^ ksms_token_mix(right, key[2]);
    left = right;
    right = next;
    next = left ^ ksms_token_mix(right, key[3]);
    left = right;
    right = next;
    return left << 16 | right;
}
static inline ksms_u32 ksms_token_open(ksms_u32 sealed, const ksms_u32 key[4]) {
    ksms_u32 left = sealed >> 16, right = sealed & 0xffffu, last;
    last = right ^ ksms_token_mix(left, key[3]);
    right = left;
    left = last;
    last = right ^ ksms_token_mix(left, key[2]);
    right = left;
    left = last;
    last = right ^ ksms_token_mix(left, key[1]);
    right = left;
    left = last;
    last = right ^ ksms_token_mix(left, key[0]);
    right = left;
    left = last;
    return left << 16 | right;
}
