/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A lease's time is over, or who served the waiters has left the rest to us. */
#pragma once

#include "wait.bpf.h"

static int ksms_expire(KSMS_UNUSED void *map, ksms_u32 *dscp, struct ksms_lease_timer *timer) {
    struct ksms_registry *figures = ksms_figures();
    if (!figures) return 0;
    if (*dscp == KSMS_SERVING_TIMER) {
        if (ksms_read(&figures->serving)) ksms_serve_on(figures);
        return 0;
    }
    struct ksms_lease *lease = ksms_lease_of(*dscp);
    if (!lease) return 0;
    /* Before we look at the lease: who holds it from now on starts the timer himself. */
    __sync_lock_test_and_set(&timer->armed, 0);
    ksms_u64 state = ksms_read(&lease->state), now = bpf_ktime_get_ns();
    if (ksms_what(state) == KSMS_LEASE_CHANGING) {
        ksms_start(timer, now + KSMS_SOON, now);
        return 0;
    }
    if (ksms_what(state) != KSMS_LEASE_HELD) return 0;
    ksms_u64 end = lease->expires_ns;
    if (!end) return 0;
    if (end > now) {
        ksms_start(timer, end, now);
        return 0;
    }
    if (!ksms_change(&lease->state, state, ksms_state(ksms_number(state), KSMS_LEASE_CHANGING))) {
        ksms_start(timer, now + KSMS_SOON, now);
        return 0;
    }
    /* Ours now: renewed since we looked, or not. */
    end = lease->expires_ns;
    if (end && end <= now) {
        ksms_free(lease, ksms_number(state), KSMS_LEASE_CHANGING);
        ksms_add(&figures->reaped_time, 1);
    } else {
        ksms_hold(lease, ksms_number(state), KSMS_LEASE_CHANGING);
        if (end) ksms_start(timer, end, now);
    }
    ksms_serve(figures);
    return 0;
}

/* From Linux 6.18 on bpf_timer_init() takes its memory without waiting for a lock, and has none
 * where another processor allocates at that moment (kmalloc_nolock). */
static long ksms_set_timer(ksms_u32 dscp, ksms_u32 *failed) {
    struct ksms_lease_timer *timer = bpf_map_lookup_elem(&lease_timers, &dscp);
    if (!timer) return 0;
    long err = bpf_timer_init(&timer->timer, &lease_timers, 1 /* CLOCK_MONOTONIC */);
    if (err && err != -EBUSY /* it is there */) {
        ++*failed;
        return 0;
    }
    bpf_timer_set_callback(&timer->timer, ksms_expire);
    /* Whatever end an earlier build's timer waits for: this one looks for itself. */
    ksms_u64 now = bpf_ktime_get_ns();
    ksms_start(timer, now + KSMS_SOON, now);
    return 0;
}
