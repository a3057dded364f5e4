/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The table of leases, changed by transactions. `state` (generation << 8 | enum ksms_lease_state)
 * is the only word that decides; it changes by compare-and-exchange, so that of two callers one
 * wins and the other sees it. Who set BUSY or CHANGING owns the other fields until it says
 * something else. A process that is killed meanwhile has its call finished by the kernel, so
 * nothing stays half done. Nobody waits in here: who meets another caller between two steps is told
 * EAGAIN.
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

/* What it is now, behind all that was written before it became so. */
static __always_inline ksms_u64 ksms_read(struct ksms_lease *lease) {
    return __sync_val_compare_and_swap(&lease->state, 0, 0);
}

static __always_inline bool ksms_held(ksms_u64 state) {
    return ksms_what(state) == KSMS_LEASE_HELD || ksms_what(state) == KSMS_LEASE_CHANGING;
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
    ksms_u64 same; /* bit n: the lease of DSCP n is held or claimed under this job */
    ksms_u64 held;
    ksms_u64 claimed;
    ksms_u64 generations; /* of the held ones, added up */
    ksms_u32 last;        /* one of `same` */
    ksms_u32 pad;
};

/* A name that changes while it is compared belongs to a caller that looks later than this one, and
 * finds it. */
static long ksms_look_at(ksms_u32 dscp, struct ksms_look *look) {
    const struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease) return 0;
    ksms_u64 state = lease->state, slot = 1ull << (dscp & 63);
    if (ksms_held(state)) {
        look->held |= slot;
        look->generations += ksms_generation(state);
    } else if (ksms_what(state) == KSMS_LEASE_CLAIMED) {
        look->claimed |= slot;
    } else {
        return 0;
    }
    if (!ksms_same_name(lease->job, look->job)) return 0;
    look->same |= slot;
    look->last = dscp;
    return 0;
}

/* Every walk over the table is a bpf_loop (5.17): the verifier looks at one round instead of 64. */
static __always_inline void ksms_look(struct ksms_look *look) {
    look->same = 0;
    look->held = 0;
    look->claimed = 0;
    look->generations = 0;
    look->last = KSMS_NONE;
    bpf_loop(KSMS_DSCPS, ksms_look_at, look, 0);
}

static __always_inline bool ksms_full(const struct ksms_registry_call *call,
                                      const struct ksms_look *look) {
    return (ksms_u32)__builtin_popcountll(look->held) >= call->max_jobs ||
           !(call->allowed & ~look->held);
}

/* Refused only if all were held at one moment. Generations only grow, so the same slots with the
 * same sum are the same leases, and between the two looks none of them was free. */
static __always_inline int ksms_refuse(struct ksms_look *look) {
    ksms_u64 held = look->held, generations = look->generations;
    ksms_look(look);
    return look->held == held && look->generations == generations ? EBUSY : EAGAIN;
}

/* The job has a lease: its owner is told which, another that it is taken. Read between two sights
 * of the same state, so that the answer is about one lease. */
static __always_inline int ksms_answer_taken(struct ksms_registry_call *call, ksms_u32 dscp,
                                             ksms_u32 uid) {
    struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease) return EAGAIN;
    ksms_u64 state = ksms_read(lease);
    if (ksms_what(state) != KSMS_LEASE_HELD || !ksms_same_name(lease->job, call->job))
        return EAGAIN;
    bool same_owner = lease->owner_pid == call->owner_pid &&
                      lease->owner_start == call->owner_start && lease->uid == uid;
    if (ksms_read(lease) != state) return EAGAIN;
    call->dscp = dscp;
    call->generation = ksms_generation(state);
    return same_owner ? EEXIST : EUSERS;
}

static __always_inline ksms_u64 ksms_end_of(ksms_u64 now, ksms_u64 ttl_ns) {
    return ttl_ns ? now + ttl_ns : 0;
}

static __always_inline void ksms_write(struct ksms_lease *lease, struct ksms_registry_call *call,
                                       ksms_u32 dscp, ksms_u32 uid) {
    ksms_u64 now = bpf_ktime_get_ns();
    call->expires_ns = ksms_end_of(now, call->ttl_ns);
    lease->owner_start = call->owner_start;
    lease->owner_pid = call->owner_pid;
    lease->uid = uid;
    lease->allocated_ns = now;
    lease->expires_ns = call->expires_ns;
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
 * only after it has claimed (a compare-and-exchange is a full barrier), so at least one of them
 * sees the other and steps back: never do both hold it. max_jobs is kept in the same way. */
static __always_inline int ksms_allocate(struct ksms_registry_call *call) {
    if (!call->owner_pid && !call->ttl_ns) return EINVAL;
    ksms_u32 uid = bpf_get_current_uid_gid();
    struct ksms_look look;
    __builtin_memcpy(look.job, call->job, sizeof(look.job));
    ksms_look(&look);
    if (look.same) return ksms_answer_taken(call, look.last, uid);
    if (ksms_full(call, &look)) return ksms_refuse(&look);

    struct ksms_choice choice = {.allowed = call->allowed, .dscp = KSMS_NONE};
    bpf_loop(KSMS_DSCPS, ksms_try_slot, &choice, 0);
    struct ksms_lease *lease = ksms_lease_of(choice.dscp);
    if (!lease) return EAGAIN;
    ksms_u64 generation = ksms_generation(lease->state);
    ksms_write(lease, call, choice.dscp, uid);
    ksms_change(lease, ksms_state(generation, KSMS_LEASE_BUSY),
                ksms_state(generation, KSMS_LEASE_CLAIMED));
    ksms_look(&look);
    bool mine = look.same == 1ull << (choice.dscp & 63) &&
                (ksms_u32)__builtin_popcountll(look.held | look.claimed) <= call->max_jobs;
    ksms_change(lease, ksms_state(generation, KSMS_LEASE_CLAIMED),
                ksms_state(generation, mine ? KSMS_LEASE_HELD : KSMS_LEASE_FREE));
    call->dscp = choice.dscp;
    call->generation = generation;
    return mine ? 0 : EAGAIN;
}

/* The lease that the caller means goes from HELD to another state, if it is still that one. */
static __always_inline int ksms_from_held(const struct ksms_registry_call *call,
                                          struct ksms_lease *lease, enum ksms_lease_state to) {
    if (ksms_change(lease, ksms_state(call->generation, KSMS_LEASE_HELD),
                    ksms_state(call->generation, to)))
        return 0;
    ksms_u64 now = lease->state;
    if (!ksms_held(now)) return ENOENT;
    return ksms_generation(now) == call->generation ? EAGAIN : ESTALE;
}

static __always_inline void ksms_settle(const struct ksms_registry_call *call,
                                        struct ksms_lease *lease, enum ksms_lease_state to) {
    ksms_change(lease, ksms_state(call->generation, KSMS_LEASE_CHANGING),
                ksms_state(call->generation, to));
}

static __always_inline int ksms_renew(struct ksms_registry_call *call, struct ksms_lease *lease) {
    int result = ksms_from_held(call, lease, KSMS_LEASE_CHANGING);
    if (result) return result;
    bool endless = !lease->owner_pid && !call->ttl_ns;
    if (!endless) lease->expires_ns = ksms_end_of(bpf_ktime_get_ns(), call->ttl_ns);
    call->expires_ns = lease->expires_ns;
    ksms_settle(call, lease, KSMS_LEASE_HELD);
    return endless ? EINVAL : 0;
}

/* Freed only as the caller judged it: with this owner, who is dead, or this end, which is past. It
 * may have been renewed since. */
static __always_inline int ksms_reap(const struct ksms_registry_call *call,
                                     struct ksms_lease *lease) {
    int result = ksms_from_held(call, lease, KSMS_LEASE_CHANGING);
    if (result) return result;
    bool judged = lease->owner_pid == call->owner_pid && lease->owner_start == call->owner_start &&
                  lease->expires_ns == call->expires_ns;
    ksms_settle(call, lease, judged ? KSMS_LEASE_FREE : KSMS_LEASE_HELD);
    return judged ? 0 : ESTALE;
}

static __always_inline int ksms_transact(struct ksms_registry_call *call) {
    if (call->op == KSMS_OP_ALLOCATE) return ksms_allocate(call);
    struct ksms_lease *lease = ksms_lease_of(call->dscp);
    if (!lease) return ENOENT;
    switch (call->op) {
        case KSMS_OP_RENEW:
            return ksms_renew(call, lease);
        case KSMS_OP_RELEASE:
            return ksms_from_held(call, lease, KSMS_LEASE_FREE);
        case KSMS_OP_REAP:
            return ksms_reap(call, lease);
        default:
            return EINVAL;
    }
}

SEC("syscall")
int ksms_lease(struct ksms_registry_call *context) {
    /* A copy on the stack: the context may be read at constant offsets alone. */
    struct ksms_registry_call call;
    const volatile ksms_u64 *from = (const volatile ksms_u64 *)context;
    ksms_u64 *to = (ksms_u64 *)&call;
#pragma unroll
    for (int i = 0; i < (int)(sizeof(call) / sizeof(*to)); i++) to[i] = from[i];
    call.result = ksms_transact(&call);
    context->dscp = call.dscp;
    context->generation = call.generation;
    context->expires_ns = call.expires_ns;
    context->result = call.result;
    return 0;
}
