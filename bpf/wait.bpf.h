/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who waits for a DSCP, and how they are served: by whoever freed one, in the order of asking.
 *
 * One serves at a time, without a lock: who frees a DSCP adds one to `serving`; who found it at
 * zero serves, and looks again until nothing was added meanwhile. The others go their way. A
 * program of the kernel's is not killed and not stopped, so who serves comes to its end: after
 * KSMS_ROUNDS he leaves the rest to a timer, or others who free and take without pause would keep
 * him, be it the end of a process or an interrupt, for as long as they like. */
#pragma once

#include "allocate.bpf.h"

enum {
    KSMS_ROUNDS = 16,
    KSMS_SOON = 1000000 /* ns: whoever is between two steps now is done by then */
};

static __always_inline struct ksms_waiter *ksms_waiter_of(ksms_u32 slot) {
    return bpf_map_lookup_elem(&waiters, &slot);
}

/* The slot is nobody's again.
 * @return whether it was by this */
static __always_inline bool ksms_leave(struct ksms_waiter *waiter, ksms_u64 sequence, ksms_u32 from,
                                       struct ksms_registry *figures) {
    if (!ksms_change(&waiter->state, ksms_state(sequence, from),
                     ksms_state(sequence, KSMS_WAITER_FREE)))
        return false;
    ksms_add(&figures->waiting, -1ull);
    return true;
}

/* What nobody fetches any more is given back. */
static __always_inline void ksms_give_back(const struct ksms_waiter *waiter) {
    struct ksms_lease *lease = waiter->result ? NULL : ksms_lease_of(waiter->dscp);
    if (lease) ksms_orphan(lease, waiter->generation);
}

struct ksms_turn {
    ksms_u64 after;    /* the ticket of the one before */
    ksms_u64 ticket;   /* of the one found */
    ksms_u64 promised; /* DSCPs that one before waits for */
    ksms_u32 slot;
    ksms_u16 answered; /* whether there is somebody to wake */
    ksms_u16 again;    /* whether somebody stood in the way between two steps */
};

/* What is promised to a waiter who got `result`. Who holds as many as one user may waits for one of
 * his own: nobody else waits for that. */
static __always_inline ksms_u64 ksms_promise(struct ksms_waiter *waiter, int result) {
    waiter->promised = result == EDQUOT ? 0 : ksms_allowed(waiter);
    return waiter->promised;
}

static long ksms_find_next(ksms_u32 slot, struct ksms_turn *turn) {
    const struct ksms_waiter *waiter = ksms_waiter_of(slot);
    if (!waiter || ksms_what(waiter->state) != KSMS_WAITER_WAITING) return 0;
    ksms_u64 ticket = waiter->ticket;
    if (ticket <= turn->after || ticket >= turn->ticket) return 0;
    turn->ticket = ticket;
    turn->slot = slot;
    return 0;
}

/* Whose owner or process has ended meanwhile was left to us by the exit hook. */
static __noinline void ksms_answer(struct ksms_waiter *waiter, ksms_u64 sequence, ksms_u32 result,
                                   struct ksms_registry *figures) {
    waiter->result = result;
    if (ksms_read(&waiter->owner_ended) == sequence) {
        ksms_give_back(waiter);
        waiter->result = ESRCH;
    }
    ksms_change(&waiter->state, ksms_state(sequence, KSMS_WAITER_SERVING),
                ksms_state(sequence, KSMS_WAITER_ANSWERED));
    if (ksms_read(&waiter->process_ended) == sequence &&
        ksms_leave(waiter, sequence, KSMS_WAITER_ANSWERED, figures))
        ksms_give_back(waiter);
    /* What was given back is for the next: another round. */
    if (waiter->result || waiter->process_ended == sequence) ksms_add(&figures->serving, 1);
}

/* Back to waiting, and out of the way of those behind. */
static __noinline void ksms_put_back(struct ksms_waiter *waiter, ksms_u64 sequence,
                                     struct ksms_registry *figures) {
    ksms_change(&waiter->state, ksms_state(sequence, KSMS_WAITER_SERVING),
                ksms_state(sequence, KSMS_WAITER_WAITING));
    if (ksms_read(&waiter->process_ended) == sequence)
        ksms_leave(waiter, sequence, KSMS_WAITER_WAITING, figures);
    if (ksms_read(&waiter->owner_ended) == sequence) ksms_add(&figures->serving, 1);
}

static long ksms_serve_next(KSMS_UNUSED ksms_u32 number, struct ksms_turn *turn) {
    turn->ticket = ~0ull;
    turn->slot = KSMS_WAITERS;
    bpf_loop(KSMS_WAITERS, ksms_find_next, turn, 0);
    struct ksms_waiter *waiter = ksms_waiter_of(turn->slot);
    struct ksms_registry *figures = ksms_figures();
    if (!waiter || !figures) return 1;
    turn->after = turn->ticket;
    ksms_u64 state = waiter->state, sequence = ksms_number(state);
    if (ksms_what(state) != KSMS_WAITER_WAITING ||
        !ksms_change(&waiter->state, state, ksms_state(sequence, KSMS_WAITER_SERVING)))
        return 0;
    int result = ESRCH;
    if (ksms_read(&waiter->owner_ended) != sequence) result = ksms_allocate(waiter, turn->promised);
    if (result == EBUSY || result == EAGAIN || result == EDQUOT) {
        turn->promised |= ksms_promise(waiter, result);
        if (result == EAGAIN) turn->again = 1;
        ksms_put_back(waiter, sequence, figures);
        return 0;
    }
    ksms_answer(waiter, sequence, result, figures);
    turn->answered = 1;
    return 0;
}

static long ksms_nothing(KSMS_UNUSED struct bpf_dynptr *sample, KSMS_UNUSED void *context) {
    return 1;
}

struct ksms_service {
    ksms_u32 answered;
    ksms_u32 done; /* nothing was added while the last round looked */
};

static long ksms_serve_round(KSMS_UNUSED ksms_u32 number, struct ksms_service *service) {
    struct ksms_registry *figures = ksms_figures();
    if (!figures) return 1;
    ksms_u64 seen = ksms_read(&figures->serving);
    struct ksms_turn turn = {};
    bpf_loop(KSMS_WAITERS, ksms_serve_next, &turn, 0);
    service->answered |= turn.answered;
    if (turn.again) return 0;
    service->done = ksms_change(&figures->serving, seen, 0);
    return service->done;
}

/* The timer serves on. Where it cannot (ksms_setup has not run) the next one does. */
static __noinline void ksms_serve_later(struct ksms_registry *figures) {
    ksms_u32 key = KSMS_SERVING_TIMER;
    struct ksms_lease_timer *timer = bpf_map_lookup_elem(&lease_timers, &key);
    if (!timer || bpf_timer_start(&timer->timer, KSMS_SOON, 0))
        __sync_lock_test_and_set(&figures->serving, 0);
}

/* By who serves. Not static: the verifier looks at a global function once, and at a static one
 * again for every call. */
__noinline int ksms_serve_on(struct ksms_registry *figures) {
    struct ksms_service service = {};
    if (!figures) return 0;
    bpf_loop(KSMS_ROUNDS, ksms_serve_round, &service, 0);
    if (!service.done) ksms_serve_later(figures);
    /* If another drains it at this moment, its waking comes after what we did. */
    if (service.answered) bpf_user_ringbuf_drain(&answers, ksms_nothing, NULL, BPF_RB_FORCE_WAKEUP);
    return 0;
}

/* A DSCP was freed, or somebody began to wait. */
static __always_inline void ksms_serve(struct ksms_registry *figures) {
    if (!ksms_read(&figures->waiting)) return;
    if (!__sync_fetch_and_add(&figures->serving, 1)) ksms_serve_on(figures);
}

static long ksms_add_promised(ksms_u32 slot, ksms_u64 *promised) {
    const struct ksms_waiter *waiter = ksms_waiter_of(slot);
    if (!waiter) return 0;
    ksms_u32 what = ksms_what(waiter->state);
    if (what == KSMS_WAITER_WAITING || what == KSMS_WAITER_SERVING) *promised |= waiter->promised;
    return 0;
}

/* What those who asked before wait for. */
static __always_inline ksms_u64 ksms_promised(struct ksms_registry *figures) {
    ksms_u64 promised = 0;
    if (ksms_read(&figures->waiting)) bpf_loop(KSMS_WAITERS, ksms_add_promised, &promised, 0);
    return promised;
}
