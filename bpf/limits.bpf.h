/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a call may ask for. Nothing that a caller says is believed: he may be a member of the group
 * who runs ksms_lease with arguments of his own making. */
#pragma once

#include "lease.bpf.h"

/* @return NULL for whom no limits hold: root, who gives a lease back as it was */
static __always_inline const struct ksms_lease_limits *ksms_limits_of(
    const struct ksms_waiter *call) {
    ksms_u32 zero = 0;
    return call->owner_kind == KSMS_OWNER_GIVEN ? NULL : bpf_map_lookup_elem(&limits, &zero);
}

/* Bit n: DSCP n may be given to this call. */
static __always_inline ksms_u64 ksms_allowed(const struct ksms_waiter *call) {
    const struct ksms_lease_limits *limits = ksms_limits_of(call);
    ksms_u64 wanted = call->request.allowed;
    if (!limits) return wanted;
    return wanted & (call->request.uid ? limits->member_dscps : limits->dscps);
}

/* @param uid  of the caller */
static __always_inline bool ksms_too_long(ksms_u64 ttl_ns, ksms_u32 uid) {
    ksms_u32 zero = 0;
    const struct ksms_lease_limits *all = bpf_map_lookup_elem(&limits, &zero);
    if (ttl_ns > KSMS_LONGEST_NS || !all) return true;
    return uid && ttl_ns > all->longest_ns;
}

/* Names, eight bytes at a time: every member pays for this. The highest bit of each byte says
 * whether the byte is what is asked; the bits below it mean nothing. */
#define KSMS_BYTES(byte) (0x0101010101010101ull * (byte))
#define KSMS_HIGHEST KSMS_BYTES(0x80)
#define KSMS_AT_LEAST(word, byte) ((word) + KSMS_BYTES(0x80 - (byte)))
#define KSMS_WITHIN(word, from, to) (KSMS_AT_LEAST(word, from) & ~KSMS_AT_LEAST(word, (to) + 1))

/* [A-Za-z0-9._:@+-]; no byte has its highest bit set. */
static __always_inline ksms_u64 ksms_job_bytes(ksms_u64 word) {
    return KSMS_WITHIN(word, '+', '+') | KSMS_WITHIN(word, '-', '.') | KSMS_WITHIN(word, '0', ':') |
           KSMS_WITHIN(word, '@', 'Z') | KSMS_WITHIN(word, '_', '_') | KSMS_WITHIN(word, 'a', 'z');
}

/* Anything but what steers a terminal; whether it is UTF-8 is for user space to see. */
static __always_inline ksms_u64 ksms_user_bytes(ksms_u64 word) {
    return word | KSMS_WITHIN(word & ~KSMS_HIGHEST, 0x20, 0x7e);
}

/* In each byte of a name's word, whether it is none of the kind. */
static __always_inline ksms_u64 ksms_wrong_bytes(ksms_u64 word, ksms_u64 name, bool job) {
    ksms_u64 low = word & ~KSMS_HIGHEST;
    return name & ~(job ? ksms_job_bytes(low) & ~word : ksms_user_bytes(word));
}

/* At least one byte of the kind, then zeros to the end, at least one. */
static __always_inline bool ksms_is_name(const ksms_u64 *words, int number, bool job) {
    for (int i = 0; i < number; i++) {
        ksms_u64 word = words[i];
        /* Its bytes that are not zero. */
        ksms_u64 name = (KSMS_AT_LEAST(word & ~KSMS_HIGHEST, 1) | word) & KSMS_HIGHEST;
        if (ksms_wrong_bytes(word, name, job)) return false;
        if (name == KSMS_HIGHEST) continue;
        /* The last one: its zeros are behind the name, and so is all that follows. */
        ksms_u64 bytes = (name >> 7) * 0xff;
        if (bytes & (bytes + 1) || (!i && !name)) return false;
        for (i++; i < number; i++)
            if (words[i]) return false;
        return true;
    }
    return false;
}

enum { KSMS_PREFIX_LENGTH = sizeof(KSMS_SERVICE_PREFIX) - 1 };

/* Of others than root.
 * @return 0; EINVAL: a name that is none; EACCES: the service's */
static __noinline int ksms_check_names(const struct ksms_lease_request *asked) {
    const ksms_u64 *job = (const ksms_u64 *)asked->job, *user = (const ksms_u64 *)asked->user;
    if (!ksms_is_name(job, sizeof(asked->job) / 8, true) ||
        !ksms_is_name(user, sizeof(asked->user) / 8, false))
        return EINVAL;
    ksms_u64 prefix = 0;
    __builtin_memcpy(&prefix, KSMS_SERVICE_PREFIX, KSMS_PREFIX_LENGTH);
    if (!((job[0] ^ prefix) << 8 * (8 - KSMS_PREFIX_LENGTH))) return EACCES;
    /* 63 characters; the rest is room for the prefix. */
    return job[7] >> 56 | job[8] ? EINVAL : 0;
}
