/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One lease: its state, and what may become of it. `state` (generation << 8 | enum
 * ksms_lease_state) is the only word that decides; it changes by compare-and-exchange, so that of
 * two callers one wins and the other sees it. Who set BUSY or CHANGING owns the other fields until
 * it says something else. A process that is killed meanwhile has its call finished by the kernel,
 * so nothing stays half done. Nobody waits in here: who meets another caller between two steps is
 * told EAGAIN. */
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "maps.bpf.h"

#define KSMS_UNUSED __attribute__((unused))

enum { KSMS_NONE = KSMS_DSCPS };

static __always_inline ksms_u64 ksms_state(ksms_u64 number, ksms_u32 what) {
    return number << 8 | what;
}

/* Generation of a lease, sequence of a waiter. */
static __always_inline ksms_u64 ksms_number(ksms_u64 state) {
    return state >> 8;
}

static __always_inline ksms_u32 ksms_what(ksms_u64 state) {
    return state & 0xff;
}

/* A full barrier on both sides: what was written before is seen by whoever sees the new value. */
static __always_inline bool ksms_change(ksms_u64 *word, ksms_u64 from, ksms_u64 to) {
    return __sync_val_compare_and_swap(word, from, to) == from;
}

/* What it is now, behind all that was written before it became so. */
static __always_inline ksms_u64 ksms_read(ksms_u64 *word) {
    return __sync_val_compare_and_swap(word, 0, 0);
}

static __always_inline void ksms_add(ksms_u64 *figure, ksms_u64 by) {
    __sync_fetch_and_add(figure, by);
}

static __always_inline struct ksms_lease *ksms_lease_of(ksms_u32 dscp) {
    return bpf_map_lookup_elem(&leases, &dscp);
}

static __always_inline struct ksms_registry *ksms_figures(void) {
    ksms_u32 zero = 0;
    return bpf_map_lookup_elem(&registry, &zero);
}

static __always_inline bool ksms_held(ksms_u64 state) {
    return ksms_what(state) == KSMS_LEASE_HELD || ksms_what(state) == KSMS_LEASE_CHANGING;
}

/* Names are padded with zeros. */
static __always_inline bool ksms_same_job(const char *a, const char *b) {
    const ksms_u64 *x = (const ksms_u64 *)a, *y = (const ksms_u64 *)b;
    for (int i = 0; i < KSMS_JOB_LENGTH / 8; i++)
        if (x[i] != y[i]) return false;
    return true;
}

static __always_inline ksms_u64 ksms_end_of(ksms_u64 now, ksms_u64 ttl_ns) {
    return ttl_ns ? now + ttl_ns : 0;
}

/* Fires at `end`, or earlier if another wants it so. Started anew a timer forgets its earlier end:
 * of two who start it at once, the one who started it last looks whether the other meant earlier.
 */
static __always_inline void ksms_start(struct ksms_lease_timer *timer, ksms_u64 end, ksms_u64 now) {
    __sync_lock_test_and_set(&timer->armed, end);
    bpf_timer_start(&timer->timer, end > now ? end - now : 1, 0);
    ksms_u64 armed = ksms_read(&timer->armed);
    if (armed && armed < end) bpf_timer_start(&timer->timer, armed > now ? armed - now : 1, 0);
}

/* The timer that ends it. One that fires before finds the lease as it is then, and is started anew:
 * so the next holder's end is mostly served by what the last one's has set up. */
static __always_inline void ksms_arm(struct ksms_lease *lease, ksms_u32 dscp) {
    struct ksms_lease_timer *timer = bpf_map_lookup_elem(&lease_timers, &dscp);
    ksms_u64 end = ksms_read(&lease->expires_ns);
    if (!timer || !end) return;
    ksms_u64 armed = ksms_read(&timer->armed);
    if (!armed || armed > end) ksms_start(timer, end, bpf_ktime_get_ns());
}

/* The lease goes from HELD to another state, if it is still that one. */
static __always_inline int ksms_from_held(struct ksms_lease *lease, ksms_u64 generation,
                                          ksms_u32 to) {
    if (ksms_change(&lease->state, ksms_state(generation, KSMS_LEASE_HELD),
                    ksms_state(generation, to)))
        return 0;
    ksms_u64 now = lease->state;
    if (!ksms_held(now)) return ENOENT;
    return ksms_number(now) == generation ? EAGAIN : ESTALE;
}

/* Of the slots in use, so that who looks at the table looks at those alone. Set and cleared by who
 * has the slot to himself (BUSY, or his own CLAIMED): a slot that is held is always among them. */
static __always_inline void ksms_mark_used(ksms_u32 dscp, bool used) {
    struct ksms_registry *figures = ksms_figures();
    ksms_u64 slot = 1ull << (dscp & 63);
    if (!figures) return;
    if (used)
        __sync_fetch_and_or(&figures->in_use, slot);
    else
        __sync_fetch_and_and(&figures->in_use, ~slot);
}

/* From `from` to FREE. What it said of its holder goes first, so that who reads the map sees none.
 */
static __always_inline bool ksms_free(struct ksms_lease *lease, ksms_u64 generation,
                                      ksms_u32 from) {
    if (!ksms_change(&lease->state, ksms_state(generation, from),
                     ksms_state(generation, KSMS_LEASE_BUSY)))
        return false;
    ksms_mark_used(lease->dscp, false);
    lease->owner_start = 0;
    lease->owner_pid = 0;
    lease->expires_ns = 0;
    lease->scanning = 0;
    __builtin_memset(lease->job, 0, sizeof(lease->job));
    __builtin_memset(lease->user, 0, sizeof(lease->user));
    ksms_change(&lease->state, ksms_state(generation, KSMS_LEASE_BUSY),
                ksms_state(generation, KSMS_LEASE_FREE));
    return true;
}

/* From CHANGING or CLAIMED to HELD. Its owner may have ended meanwhile: then nobody else could free
 * it, and it is free.
 * @return whether it is held */
static __always_inline bool ksms_hold(struct ksms_lease *lease, ksms_u64 generation,
                                      ksms_u32 from) {
    ksms_change(&lease->state, ksms_state(generation, from),
                ksms_state(generation, KSMS_LEASE_HELD));
    return ksms_read(&lease->orphan) != generation ||
           !ksms_free(lease, generation, KSMS_LEASE_HELD);
}

/* Its owner has ended. Whoever is about to change it sees the mark, and frees it in our place.
 * @return whether it is free by this */
static __always_inline bool ksms_orphan(struct ksms_lease *lease, ksms_u64 generation) {
    __sync_lock_test_and_set(&lease->orphan, generation);
    return ksms_free(lease, generation, KSMS_LEASE_HELD);
}
