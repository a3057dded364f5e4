/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The table of leases, changed by transactions. `state` (generation << 8 | enum ksms_lease_state)
 * is the only word that decides; it changes by compare-and-exchange, so that of two callers one
 * wins and the other sees it. Who set BUSY owns the other fields until it says something else. A
 * process that is killed meanwhile has its call finished by the kernel, so nothing stays half done.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "maps.bpf.h"

enum { KSMS_NONE = KSMS_DSCPS };

static __always_inline ksms_u64 ksms_state(ksms_u64 generation, enum ksms_lease_state what) {
    return generation << 8 | what;
}

static __always_inline ksms_u64 ksms_generation(ksms_u64 state) {
    return state >> 8;
}

static __always_inline enum ksms_lease_state ksms_what(ksms_u64 state) {
    return state & 0xff;
}

/* A full barrier on both sides: what was written before is seen by whoever sees the new state. */
static __always_inline bool ksms_change(struct ksms_lease *lease, ksms_u64 from, ksms_u64 to) {
    return __sync_val_compare_and_swap(&lease->state, from, to) == from;
}

static __always_inline struct ksms_lease *ksms_lease_of(ksms_u32 dscp) {
    return bpf_map_lookup_elem(&leases, &dscp);
}

/* Every walk over the table is a bpf_loop (5.17): the verifier looks at one round instead of 64. */

static __always_inline bool ksms_taken(ksms_u64 state) {
    return ksms_what(state) == KSMS_LEASE_HELD || ksms_what(state) == KSMS_LEASE_CLAIMED;
}

/* Names are padded with zeros. */
static __always_inline bool ksms_same_name(const char *a, const char *b) {
    const ksms_u64 *x = (const ksms_u64 *)a, *y = (const ksms_u64 *)b;
    for (int i = 0; i < KSMS_NAME_LENGTH / 8; i++)
        if (x[i] != y[i]) return false;
    return true;
}

struct ksms_look {
    char job[KSMS_NAME_LENGTH];
    ksms_u64 slots; /* bit n: the lease of DSCP n is taken under this job */
    ksms_u32 taken; /* leases taken, by all jobs */
    ksms_u32 last;  /* one of the slots */
};

static long ksms_look_at(ksms_u32 dscp, struct ksms_look *look) {
    const struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease || !ksms_taken(lease->state)) return 0;
    look->taken++;
    if (!ksms_same_name(lease->job, look->job)) return 0;
    look->slots |= 1ull << (dscp & 63);
    look->last = dscp;
    return 0;
}

static __always_inline void ksms_look(struct ksms_look *look) {
    look->slots = 0;
    look->taken = 0;
    look->last = KSMS_NONE;
    bpf_loop(KSMS_DSCPS, ksms_look_at, look, 0);
}

/* The job has a lease: its owner is told which, another that it is taken. */
static __always_inline int ksms_answer_taken(struct ksms_registry_call *call, ksms_u32 dscp) {
    const struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease) return EAGAIN;
    ksms_u64 state = lease->state;
    if (ksms_what(state) != KSMS_LEASE_HELD) return EAGAIN;
    bool same_owner = lease->owner_pid == call->owner_pid &&
                      lease->owner_start == call->owner_start && lease->uid == call->uid;
    call->dscp = dscp;
    call->generation = ksms_generation(state);
    return same_owner ? EEXIST : EUSERS;
}

static __always_inline void ksms_write(struct ksms_lease *lease,
                                       const struct ksms_registry_call *call, ksms_u32 dscp) {
    ksms_u64 now = bpf_ktime_get_ns();
    lease->owner_start = call->owner_start;
    lease->owner_pid = call->owner_pid;
    lease->uid = call->uid;
    lease->allocated_ns = now;
    lease->expires_ns = call->ttl_ns ? now + call->ttl_ns : 0;
    lease->allocated_at = call->now_realtime;
    lease->scanning_pid = 0;
    lease->dscp = dscp;
    __builtin_memcpy(lease->job, call->job, sizeof(lease->job));
    __builtin_memcpy(lease->user, call->user, sizeof(lease->user));
}

struct ksms_choice {
    ksms_u64 allowed;
    ksms_u32 dscp;
    ksms_u32 pad;
};

/* The first allowed slot that is FREE, made BUSY under the next generation. */
static long ksms_try_slot(ksms_u32 dscp, struct ksms_choice *choice) {
    struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease || !(choice->allowed >> (dscp & 63) & 1)) return 0;
    ksms_u64 before = lease->state;
    if (ksms_what(before) != KSMS_LEASE_FREE) return 0;
    ksms_u64 busy = ksms_state(ksms_generation(before) + 1, KSMS_LEASE_BUSY);
    if (!ksms_change(lease, before, busy)) return 0;
    choice->dscp = dscp;
    return 1;
}

/* Two callers with one job may both get as far as CLAIMED, each with a slot of its own. Each looks
 * only after it has claimed, so at least one of them sees the other and steps back: never do both
 * hold it. */
static __always_inline int ksms_allocate(struct ksms_registry_call *call) {
    struct ksms_look look;
    __builtin_memcpy(look.job, call->job, sizeof(look.job));
    ksms_look(&look);
    if (look.slots) return ksms_answer_taken(call, look.last);
    if (look.taken >= call->max_jobs) return EBUSY;

    struct ksms_choice choice = {.allowed = call->allowed, .dscp = KSMS_NONE};
    bpf_loop(KSMS_DSCPS, ksms_try_slot, &choice, 0);
    struct ksms_lease *lease = ksms_lease_of(choice.dscp);
    if (!lease) return EBUSY;
    ksms_u64 generation = ksms_generation(lease->state);
    ksms_write(lease, call, choice.dscp);
    ksms_change(lease, ksms_state(generation, KSMS_LEASE_BUSY),
                ksms_state(generation, KSMS_LEASE_CLAIMED));
    ksms_look(&look);
    bool mine = look.slots == 1ull << (choice.dscp & 63) && look.taken <= call->max_jobs;
    ksms_change(lease, ksms_state(generation, KSMS_LEASE_CLAIMED),
                ksms_state(generation, mine ? KSMS_LEASE_HELD : KSMS_LEASE_FREE));
    call->dscp = choice.dscp;
    call->generation = generation;
    return mine ? 0 : EAGAIN;
}

/* The lease that the caller means, if it is still that one. */
static __always_inline int ksms_meant(const struct ksms_registry_call *call,
                                      struct ksms_lease **lease) {
    *lease = ksms_lease_of(call->dscp);
    if (!*lease || ksms_what((*lease)->state) != KSMS_LEASE_HELD) return ENOENT;
    return (*lease)->state == ksms_state(call->generation, KSMS_LEASE_HELD) ? 0 : ESTALE;
}

static __always_inline int ksms_renew(const struct ksms_registry_call *call) {
    struct ksms_lease *lease;
    int result = ksms_meant(call, &lease);
    if (result) return result;
    ksms_u64 held = ksms_state(call->generation, KSMS_LEASE_HELD);
    ksms_u64 busy = ksms_state(call->generation, KSMS_LEASE_BUSY);
    if (!ksms_change(lease, held, busy)) return EAGAIN;
    lease->expires_ns = call->ttl_ns ? bpf_ktime_get_ns() + call->ttl_ns : 0;
    ksms_change(lease, busy, held);
    return 0;
}

/* Release by the owner, or reap by whoever found the owner dead or the time over: the same step. */
static __always_inline int ksms_free(const struct ksms_registry_call *call) {
    struct ksms_lease *lease;
    int result = ksms_meant(call, &lease);
    if (result) return result;
    bool freed = ksms_change(lease, ksms_state(call->generation, KSMS_LEASE_HELD),
                             ksms_state(call->generation, KSMS_LEASE_FREE));
    return freed ? 0 : EAGAIN;
}

SEC("syscall")
int ksms_lease(struct ksms_registry_call *context) {
    /* A copy on the stack: the context may be read at constant offsets alone. */
    struct ksms_registry_call call;
    const volatile ksms_u64 *from = (const volatile ksms_u64 *)context;
    ksms_u64 *to = (ksms_u64 *)&call;
#pragma unroll
    for (int i = 0; i < (int)(sizeof(call) / sizeof(*to)); i++) to[i] = from[i];
    switch (call.op) {
        case KSMS_OP_ALLOCATE:
            call.result = ksms_allocate(&call);
            break;
        case KSMS_OP_RENEW:
            call.result = ksms_renew(&call);
            break;
        case KSMS_OP_RELEASE:
        case KSMS_OP_REAP:
            call.result = ksms_free(&call);
            break;
        default:
            call.result = EINVAL;
    }
    context->dscp = call.dscp;
    context->generation = call.generation;
    context->result = call.result;
    return 0;
}
