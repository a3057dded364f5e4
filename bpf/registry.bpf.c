/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The table of leases, changed by transactions: what user space may ask for (ksms_lease), and what
 * happens by itself: the end of a process (ksms_exit) and of a time (ksms_expire, set up by
 * ksms_setup). */
#include <linux/bpf.h>

#include "expire.bpf.h"
#include "process.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline bool ksms_may(const struct ksms_lease *lease) {
    ksms_u32 uid = bpf_get_current_uid_gid();
    return !uid || uid == lease->uid;
}

/* The lease that a call means, or what is wrong with it. */
static __always_inline int ksms_meant(const struct ksms_lease *lease, ksms_u64 generation) {
    ksms_u64 state = lease->state;
    if (!ksms_held(state)) return ENOENT;
    if (ksms_number(state) != generation) return ESTALE;
    return ksms_may(lease) ? 0 : EPERM;
}

static __always_inline int ksms_renew(struct ksms_registry_call *call) {
    struct ksms_lease *lease = ksms_lease_of(call->dscp);
    if (!lease) return ENOENT;
    int result = ksms_meant(lease, call->generation);
    if (!result) result = ksms_from_held(lease, call->generation, KSMS_LEASE_CHANGING);
    if (result) return result;
    ksms_u64 ttl = call->ttl_ns;
    bool endless = !lease->owner_pid && !ttl;
    if (!endless) {
        lease->ttl_ns = ttl;
        lease->expires_ns = ksms_end_of(bpf_ktime_get_ns(), ttl);
    }
    call->expires_ns = lease->expires_ns;
    if (!ksms_hold(lease, call->generation, KSMS_LEASE_CHANGING)) {
        ksms_serve(ksms_figures());
        return ESRCH;
    }
    if (endless) return EINVAL;
    ksms_arm(lease, call->dscp);
    return 0;
}

static __always_inline int ksms_release(struct ksms_registry_call *call) {
    struct ksms_lease *lease = ksms_lease_of(call->dscp);
    struct ksms_registry *figures = ksms_figures();
    if (!lease || !figures) return ENOENT;
    int result = ksms_meant(lease, call->generation);
    if (!result) result = ksms_from_held(lease, call->generation, KSMS_LEASE_CHANGING);
    if (result) return result;
    ksms_free(lease, call->generation, KSMS_LEASE_CHANGING);
    ksms_add(&figures->released, 1);
    ksms_serve(figures);
    return 0;
}

/* Freed only as the caller judged it: with this owner, who is dead, or this end, which is past. It
 * may have been renewed since. */
static __always_inline int ksms_reap(struct ksms_registry_call *call) {
    struct ksms_lease *lease = ksms_lease_of(call->dscp);
    struct ksms_registry *figures = ksms_figures();
    if (!lease || !figures) return ENOENT;
    if ((ksms_u32)bpf_get_current_uid_gid()) return EPERM;
    int result = ksms_from_held(lease, call->generation, KSMS_LEASE_CHANGING);
    if (result) return result;
    bool judged = lease->owner_pid == call->owner_pid && lease->owner_start == call->owner_start &&
                  lease->expires_ns == call->expires_ns;
    if (judged) {
        bool late = lease->expires_ns && lease->expires_ns <= bpf_ktime_get_ns();
        ksms_free(lease, call->generation, KSMS_LEASE_CHANGING);
        ksms_add(late ? &figures->reaped_time : &figures->reaped_exit, 1);
    } else {
        ksms_hold(lease, call->generation, KSMS_LEASE_CHANGING);
    }
    ksms_serve(figures);
    return judged ? 0 : ESTALE;
}

/* One scan at a time under a lease. */
static __always_inline int ksms_occupy(struct ksms_registry_call *call) {
    struct ksms_lease *lease = ksms_lease_of(call->dscp);
    ksms_u32 zero = 0;
    struct ksms_owners *all = bpf_map_lookup_elem(&owners, &zero);
    if (!lease || !all) return ENOENT;
    int result = ksms_meant(lease, call->generation);
    if (result) return result;
    struct ksms_process caller = ksms_caller();
    ksms_u64 word = ksms_process_word(caller.start, caller.pid);
    if (call->op == KSMS_OP_VACATE) {
        ksms_change(&lease->scanning, word, 0);
        return 0;
    }
    if (lease->scanning != word && !ksms_change(&lease->scanning, 0, word)) return EBUSY;
    all->scan[call->dscp & 63] = caller.pid;
    /* Given to another meanwhile, who would find himself occupied. */
    if (ksms_number(ksms_read(&lease->state)) == call->generation) return 0;
    ksms_change(&lease->scanning, word, 0);
    return ESTALE;
}

/* What may wait: a slot of the caller's own, under its next sequence. */
struct ksms_free_slot {
    ksms_u64 sequence;
    ksms_u32 slot;
    ksms_u32 pad;
};

static long ksms_take_slot(ksms_u32 slot, struct ksms_free_slot *taken) {
    struct ksms_waiter *waiter = ksms_waiter_of(slot);
    if (!waiter) return 0;
    ksms_u64 state = waiter->state;
    if (ksms_what(state) != KSMS_WAITER_FREE) return 0;
    ksms_u64 sequence = ksms_number(state) + 1;
    if (!ksms_change(&waiter->state, state, ksms_state(sequence, KSMS_WAITER_WRITING))) return 0;
    taken->slot = slot;
    taken->sequence = sequence;
    return 1;
}

static __always_inline int ksms_owner_by_pidfd(const struct ksms_registry_call *call,
                                               struct ksms_process *owner) {
    const struct pid *pid = ksms_pidfd(call->owner_fd, call->named_pid);
    if (!pid) return EBADF;
    int result = ksms_process_of(pid, owner);
    if (result) return result;
    ksms_u32 uid = bpf_get_current_uid_gid();
    return uid && uid != owner->uid ? EPERM : 0;
}

/* Whose lease it is to be: the kernel's own word on it, not the caller's. */
static __always_inline int ksms_find_owner(const struct ksms_registry_call *call,
                                           struct ksms_process *owner) {
    switch (call->owner_kind) {
        case KSMS_OWNER_CALLER:
            *owner = ksms_caller();
            return 0;
        case KSMS_OWNER_NONE:
            return call->request.ttl_ns ? 0 : EINVAL;
        case KSMS_OWNER_PIDFD:
            return ksms_owner_by_pidfd(call, owner);
        case KSMS_OWNER_GIVEN:
            if ((ksms_u32)bpf_get_current_uid_gid()) return EPERM;
            owner->pid = call->request.owner_pid;
            owner->start = call->request.owner_start;
            return 0;
        default:
            return EINVAL;
    }
}

/* Its owner may have ended before the exit hook could know of it. */
static __always_inline bool ksms_owner_ended(const struct ksms_registry_call *call) {
    if (call->owner_kind != KSMS_OWNER_PIDFD) return false;
    const struct pid *pid = ksms_pidfd(call->owner_fd, call->named_pid);
    return pid && !ksms_runs(pid);
}

static __always_inline void ksms_write_waiter(struct ksms_waiter *waiter,
                                              const struct ksms_registry_call *call, ksms_u32 slot,
                                              const struct ksms_process *owner) {
    struct ksms_process caller = ksms_caller();
    struct ksms_lease_request *asked = &waiter->request;
    asked->allowed = call->request.allowed;
    asked->ttl_ns = call->request.ttl_ns;
    asked->epoch_ns = call->request.epoch_ns;
    asked->max_jobs = call->request.max_jobs;
    __builtin_memcpy(asked->job, call->request.job, sizeof(asked->job));
    __builtin_memcpy(asked->user, call->request.user, sizeof(asked->user));
    asked->owner_pid = owner->pid;
    asked->owner_start = owner->start;
    asked->uid = call->owner_kind == KSMS_OWNER_GIVEN ? call->request.uid : caller.uid;
    waiter->process = ksms_process_word(caller.start, caller.pid);
    waiter->process_ended = 0;
    waiter->owner_ended = 0;
    waiter->dscp = KSMS_NONE;
    ksms_u32 zero = 0;
    struct ksms_owners *all = bpf_map_lookup_elem(&owners, &zero);
    if (!all || slot >= KSMS_WAITERS) return;
    all->waiter[slot] = caller.pid;
    all->waiter_owner[slot] = owner->pid;
}

static __always_inline void ksms_tell(struct ksms_registry_call *call,
                                      const struct ksms_waiter *waiter) {
    call->dscp = waiter->dscp;
    call->generation = waiter->generation;
    call->allocated_ns = waiter->allocated_ns;
    call->expires_ns = waiter->expires_ns;
    call->request.owner_pid = waiter->request.owner_pid;
    call->request.owner_start = waiter->request.owner_start;
    call->request.uid = waiter->request.uid;
}

/* From WRITING to WAITING, behind all who wait already. */
static __always_inline int ksms_begin_to_wait(const struct ksms_registry_call *call,
                                              struct ksms_waiter *waiter, ksms_u64 sequence,
                                              struct ksms_registry *figures) {
    waiter->ticket = __sync_fetch_and_add(&figures->next_ticket, 1) + 1;
    ksms_add(&figures->waiting, 1);
    ksms_add(&figures->waited, 1);
    ksms_change(&waiter->state, ksms_state(sequence, KSMS_WAITER_WRITING),
                ksms_state(sequence, KSMS_WAITER_WAITING));
    if (ksms_owner_ended(call)) __sync_lock_test_and_set(&waiter->owner_ended, sequence);
    ksms_serve(figures);
    return EINPROGRESS;
}

static __always_inline int ksms_ask(struct ksms_registry_call *call) {
    struct ksms_process owner = {};
    int result = ksms_find_owner(call, &owner);
    if (result) return result;
    struct ksms_free_slot taken = {.slot = KSMS_WAITERS};
    bpf_loop(KSMS_WAITERS, ksms_take_slot, &taken, 0);
    struct ksms_waiter *waiter = ksms_waiter_of(taken.slot);
    struct ksms_registry *figures = ksms_figures();
    if (!waiter || !figures) return ENOSPC;
    ksms_write_waiter(waiter, call, taken.slot, &owner);
    call->waiter = taken.slot;
    call->sequence = taken.sequence;

    result = ksms_allocate(waiter, ksms_promised(figures));
    if (result == EBUSY && call->may_wait)
        return ksms_begin_to_wait(call, waiter, taken.sequence, figures);
    ksms_tell(call, waiter);
    ksms_u32 dscp = waiter->dscp;
    ksms_u64 generation = waiter->generation;
    ksms_change(&waiter->state, ksms_state(taken.sequence, KSMS_WAITER_WRITING),
                ksms_state(taken.sequence, KSMS_WAITER_FREE));
    if (!result && ksms_owner_ended(call)) {
        struct ksms_lease *lease = ksms_lease_of(dscp);
        if (lease) ksms_orphan(lease, generation);
        result = ESRCH;
    }
    if (result == EBUSY) ksms_add(&figures->refused, 1);
    /* It may have held a DSCP for a moment that somebody waits for. */
    if (result) ksms_serve(figures);
    return result;
}

/* The answer to a call that waits; with `leave` it waits no longer. */
static __always_inline int ksms_fetch(struct ksms_registry_call *call, bool leave) {
    struct ksms_waiter *waiter = ksms_waiter_of(call->waiter);
    struct ksms_registry *figures = ksms_figures();
    if (!waiter || !figures) return ENOENT;
    struct ksms_process caller = ksms_caller();
    ksms_u64 state = ksms_read(&waiter->state), sequence = call->sequence;
    if (ksms_number(state) != sequence || ksms_what(state) == KSMS_WAITER_FREE ||
        waiter->process != ksms_process_word(caller.start, caller.pid))
        return ENOENT;
    if (ksms_what(state) == KSMS_WAITER_ANSWERED) {
        ksms_tell(call, waiter);
        ksms_u32 result = waiter->result;
        return ksms_leave(waiter, sequence, KSMS_WAITER_ANSWERED, figures) ? (int)result : ENOENT;
    }
    if (!leave) return EINPROGRESS;
    if (ksms_what(state) != KSMS_WAITER_WAITING ||
        !ksms_leave(waiter, sequence, KSMS_WAITER_WAITING, figures))
        return EAGAIN; /* it is being served */
    ksms_add(&figures->refused, 1);
    ksms_serve(figures); /* those behind may take what was promised to it */
    return ECANCELED;
}

static __always_inline int ksms_transact(struct ksms_registry_call *call) {
    switch (call->op) {
        case KSMS_OP_ALLOCATE:
            return ksms_ask(call);
        case KSMS_OP_FETCH:
            return ksms_fetch(call, false);
        case KSMS_OP_WITHDRAW:
            return ksms_fetch(call, true);
        case KSMS_OP_RENEW:
            return ksms_renew(call);
        case KSMS_OP_RELEASE:
            return ksms_release(call);
        case KSMS_OP_REAP:
            return ksms_reap(call);
        case KSMS_OP_OCCUPY:
        case KSMS_OP_VACATE:
            return ksms_occupy(call);
        default:
            return EINVAL;
    }
}

SEC("syscall")
int ksms_lease(struct ksms_registry_call *context) {
    context->result = ksms_transact(context);
    return 0;
}

/* Run once by who installs the programs: the timers, and what they call. */
SEC("syscall")
int ksms_setup(KSMS_UNUSED void *context) {
    bpf_loop(KSMS_DSCPS, ksms_set_timer, NULL, 0);
    return 0;
}

struct ksms_end {
    ksms_u64 start;
    ksms_u64 leases, scans; /* bit n: of DSCP n */
    ksms_u32 pid;
    ksms_u32 freed;
};

static long ksms_end_lease(ksms_u32 dscp, struct ksms_end *end) {
    struct ksms_lease *lease = ksms_lease_of(dscp);
    struct ksms_registry *figures = ksms_figures();
    if (!lease || !figures) return 0;
    if (end->scans >> (dscp & 63) & 1)
        ksms_change(&lease->scanning, ksms_process_word(end->start, end->pid), 0);
    if (!(end->leases >> (dscp & 63) & 1)) return 0;
    ksms_u64 state = ksms_read(&lease->state);
    if (ksms_what(state) == KSMS_LEASE_FREE || lease->owner_pid != end->pid ||
        lease->owner_start != end->start || ksms_read(&lease->state) != state)
        return 0;
    if (!ksms_orphan(lease, ksms_number(state))) return 0;
    ksms_add(&figures->reaped_exit, 1);
    end->freed = 1;
    return 0;
}

static long ksms_end_waiter(ksms_u32 slot, struct ksms_end *end) {
    struct ksms_waiter *waiter = ksms_waiter_of(slot);
    struct ksms_registry *figures = ksms_figures();
    if (!waiter || !figures) return 0;
    ksms_u64 state = ksms_read(&waiter->state), sequence = ksms_number(state);
    if (ksms_what(state) == KSMS_WAITER_FREE) return 0;
    if (waiter->process == ksms_process_word(end->start, end->pid)) {
        __sync_lock_test_and_set(&waiter->process_ended, sequence);
        end->freed = 1;
        if (ksms_leave(waiter, sequence, KSMS_WAITER_WAITING, figures)) return 0;
        if (ksms_leave(waiter, sequence, KSMS_WAITER_ANSWERED, figures)) ksms_give_back(waiter);
    } else if (waiter->request.owner_pid == end->pid && waiter->request.owner_start == end->start) {
        __sync_lock_test_and_set(&waiter->owner_ended, sequence);
        end->freed = 1; /* who serves finds that it can only be refused */
    }
    return 0;
}

/* Bit n: pids[n] is this one. Without a branch, which the verifier would follow both ways 64 times:
 * 0 alone borrows from the sign when 1 is taken away. */
static __always_inline ksms_u64 ksms_matches(const ksms_u32 *pids, ksms_u32 pid) {
    ksms_u64 found = 0;
    for (int i = 0; i < 64; i++) {
        ksms_u64 differs = pids[i] ^ pid;
        barrier_var(differs);
        found |= (differs - 1) >> 63 << i;
    }
    return found;
}

static __always_inline bool ksms_waits(const struct ksms_owners *all, ksms_u32 pid) {
    return ksms_matches(all->waiter, pid) | ksms_matches(all->waiter + 64, pid) |
           ksms_matches(all->waiter_owner, pid) | ksms_matches(all->waiter_owner + 64, pid);
}

/* The last thread of a process ends: what it held is free at once, with nobody running. Waiters
 * come first: one that is served meanwhile holds a lease by the time we look at those. */
SEC("tp_btf/sched_process_exit")
int ksms_exit(const ksms_u64 *context) {
    const struct task_struct *task = (const void *)context[0];
    if (task->signal->live.counter) return 0;
    ksms_u32 zero = 0;
    const struct ksms_owners *all = bpf_map_lookup_elem(&owners, &zero);
    struct ksms_registry *figures = ksms_figures();
    if (!all || !figures) return 0;
    struct ksms_end end = {.pid = task->tgid,
                           .start = task->group_leader->start_boottime / KSMS_NS_PER_TICK};
    if (ksms_read(&figures->waiting) && ksms_waits(all, end.pid))
        bpf_loop(KSMS_WAITERS, ksms_end_waiter, &end, 0);
    end.leases = ksms_matches(all->lease, end.pid);
    end.scans = ksms_matches(all->scan, end.pid);
    if (end.leases | end.scans) bpf_loop(KSMS_DSCPS, ksms_end_lease, &end, 0);
    if (end.freed) ksms_serve(figures);
    return 0;
}
