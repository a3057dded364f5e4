/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A DSCP for a request: the lowest that is allowed and free. */
#pragma once

#include "limits.bpf.h"

struct ksms_look {
    const char *job;
    ksms_u64 rest; /* slots that are still to be looked at, or tried */
    ksms_u64 same; /* bit n: the lease of DSCP n is held or claimed under this job */
    ksms_u64 held;
    ksms_u64 claimed;
    ksms_u64 members;     /* held or claimed by others than root */
    ksms_u64 own;         /* held or claimed by this user */
    ksms_u64 generations; /* of the held ones, added up */
    ksms_u32 last;        /* one of `same`; the one that was taken */
    ksms_u32 uid;
};

/* Number of the lowest bit; takes it away. */
static __always_inline ksms_u32 ksms_take_lowest(ksms_u64 *bits) {
    ksms_u64 rest = *bits;
    *bits = rest & (rest - 1);
    return __builtin_popcountll(~rest & (rest - 1)) & 63;
}

/* A name that changes while it is compared belongs to a caller that looks later than this one, and
 * finds it. */
static long ksms_look_at(KSMS_UNUSED ksms_u32 number, struct ksms_look *look) {
    ksms_u32 dscp = ksms_take_lowest(&look->rest);
    const struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease) return 0;
    ksms_u64 state = lease->state, slot = 1ull << dscp;
    if (ksms_held(state)) {
        look->held |= slot;
        look->generations += ksms_number(state);
    } else if (ksms_what(state) == KSMS_LEASE_CLAIMED) {
        look->claimed |= slot;
    } else {
        return 0;
    }
    if (lease->uid) look->members |= slot;
    if (lease->uid == look->uid) look->own |= slot;
    if (!ksms_same_job(lease->job, look->job)) return 0;
    look->same |= slot;
    look->last = dscp;
    return 0;
}

/* Every walk over the table is a bpf_loop (5.17): the verifier looks at one round instead of 64. */
static __always_inline void ksms_look(struct ksms_look *look) {
    look->same = 0;
    look->held = 0;
    look->claimed = 0;
    look->members = 0;
    look->own = 0;
    look->generations = 0;
    look->last = KSMS_NONE;
    struct ksms_registry *figures = ksms_figures();
    look->rest = figures ? ksms_read(&figures->in_use) : 0;
    bpf_loop(__builtin_popcountll(look->rest), ksms_look_at, look, 0);
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
static __noinline int ksms_answer_taken(struct ksms_waiter *call, ksms_u32 dscp) {
    struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease) return EAGAIN;
    const struct ksms_lease_request *asked = &call->request;
    ksms_u64 state = ksms_read(&lease->state);
    if (ksms_what(state) != KSMS_LEASE_HELD || !ksms_same_job(lease->job, asked->job))
        return EAGAIN;
    bool same_owner = lease->owner_pid == asked->owner_pid &&
                      lease->owner_start == asked->owner_start && lease->uid == asked->uid;
    call->dscp = dscp;
    call->generation = ksms_number(state);
    call->allocated_ns = lease->allocated_ns;
    call->expires_ns = lease->expires_ns;
    if (ksms_read(&lease->state) != state) return EAGAIN;
    return same_owner ? EEXIST : EUSERS;
}

static __noinline void ksms_write(struct ksms_lease *lease, struct ksms_waiter *call,
                                  ksms_u32 dscp) {
    const struct ksms_lease_request *asked = &call->request;
    ksms_u64 now = bpf_ktime_get_ns();
    call->allocated_ns = now;
    call->expires_ns = ksms_end_of(now, asked->ttl_ns);
    lease->owner_start = asked->owner_start;
    lease->owner_pid = asked->owner_pid;
    lease->uid = asked->uid;
    lease->allocated_ns = now;
    lease->expires_ns = call->expires_ns;
    lease->ttl_ns = asked->ttl_ns;
    lease->scanning = 0;
    lease->orphan = 0;
    lease->dscp = dscp;
    __builtin_memcpy(lease->job, asked->job, sizeof(lease->job));
    __builtin_memcpy(lease->user, asked->user, sizeof(lease->user));
    /* Before it is held: whose owner ends from then on is found by the exit hook. */
    ksms_u32 zero = 0;
    struct ksms_owners *all = bpf_map_lookup_elem(&owners, &zero);
    if (all) all->lease[dscp & 63] = asked->owner_pid;
}

/* @param more  leases to come
 * @return 0; EBUSY: as many are held as there can be; EDQUOT: … as one user may hold */
static __noinline int ksms_over_limits(const struct ksms_waiter *call, const struct ksms_look *look,
                                       ksms_u64 counted, ksms_u32 more) {
    const struct ksms_lease_limits *limits = ksms_limits_of(call);
    if (!limits) return 0;
    if (call->request.uid) {
        if (__builtin_popcountll(counted & look->own) + more > limits->user_leases) return EDQUOT;
        if (__builtin_popcountll(counted & look->members) + more > limits->member_jobs)
            return EBUSY;
    }
    return __builtin_popcountll(counted) + more > limits->max_jobs ? EBUSY : 0;
}

/* The first slot that is FREE, made BUSY under the next generation. */
static long ksms_try_slot(KSMS_UNUSED ksms_u32 number, struct ksms_look *look) {
    ksms_u32 dscp = ksms_take_lowest(&look->rest);
    struct ksms_lease *lease = ksms_lease_of(dscp);
    if (!lease) return 0;
    ksms_u64 before = lease->state;
    /* Held since we looked, or written by hand: then nobody else would ever look at it. */
    if (ksms_held(before)) ksms_mark_used(dscp, true);
    if (ksms_what(before) != KSMS_LEASE_FREE) return 0;
    ksms_u64 busy = ksms_state(ksms_number(before) + 1, KSMS_LEASE_BUSY);
    if (!ksms_change(&lease->state, before, busy)) return 0;
    look->last = dscp;
    return 1;
}

/* Two callers with one job may both get as far as CLAIMED, each with a slot of its own. Each looks
 * only after it has claimed (a compare-and-exchange is a full barrier), so at least one of them
 * sees the other and steps back: never do both hold it. The limits are kept in the same way. */
static __always_inline int ksms_claim(struct ksms_waiter *call, struct ksms_look *look,
                                      struct ksms_lease *lease, ksms_u32 dscp) {
    ksms_u64 generation = ksms_number(lease->state);
    ksms_write(lease, call, dscp);
    ksms_mark_used(dscp, true);
    ksms_change(&lease->state, ksms_state(generation, KSMS_LEASE_BUSY),
                ksms_state(generation, KSMS_LEASE_CLAIMED));
    ksms_look(look);
    ksms_u64 all = look->held | look->claimed;
    if (look->same != 1ull << (dscp & 63) || ksms_over_limits(call, look, all, 0)) {
        ksms_mark_used(dscp, false);
        ksms_change(&lease->state, ksms_state(generation, KSMS_LEASE_CLAIMED),
                    ksms_state(generation, KSMS_LEASE_FREE));
        return EAGAIN;
    }
    if (!ksms_hold(lease, generation, KSMS_LEASE_CLAIMED)) return ESRCH;
    ksms_arm(lease, dscp);
    call->dscp = dscp;
    call->generation = generation;
    struct ksms_registry *figures = ksms_figures();
    if (!figures) return 0;
    ksms_add(&figures->allocated, 1);
    ksms_u32 number = __builtin_popcountll(all);
    if (number > figures->most) figures->most = number; /* for people: a race loses little */
    return 0;
}

/* Global, as ksms_serve_on is.
 * @param promised  DSCPs that somebody waits for
 * @return 0 or an errno of ksms_registry_call; EAGAIN: a DSCP may have been freed again by this */
__noinline int ksms_allocate(struct ksms_waiter *call, ksms_u64 promised) {
    struct ksms_look look;
    if (!call) return EINVAL;
    look.job = call->request.job;
    look.uid = call->request.uid;
    ksms_look(&look);
    if (look.same) return ksms_answer_taken(call, look.last);
    int over = ksms_over_limits(call, &look, look.held, 1);
    if (over == EDQUOT) return EDQUOT;
    ksms_u64 allowed = ksms_allowed(call) & ~promised;
    if (!allowed) return EBUSY;
    if (over || !(allowed & ~look.held)) return ksms_refuse(&look);

    look.rest = allowed & ~look.held;
    look.last = KSMS_NONE;
    bpf_loop(__builtin_popcountll(look.rest), ksms_try_slot, &look, 0);
    ksms_u32 dscp = look.last;
    struct ksms_lease *lease = ksms_lease_of(dscp);
    return lease ? ksms_claim(call, &look, lease, dscp) : EAGAIN;
}
