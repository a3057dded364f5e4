/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The table of leases, changed by transactions: what user space may ask for (ksms_lease), and what
 * happens by itself: the end of a process (ksms_exit) and of a time (ksms_expire, set up by
 * ksms_setup). */
#include <linux/bpf.h>

#include "ask.bpf.h"
#include "expire.bpf.h"

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
    bool too_long = ksms_too_long(ttl, bpf_get_current_uid_gid());
    if (!endless && !too_long) {
        lease->ttl_ns = ttl;
        lease->expires_ns = ksms_end_of(bpf_ktime_get_ns(), ttl);
    }
    call->expires_ns = lease->expires_ns;
    if (!ksms_hold(lease, call->generation, KSMS_LEASE_CHANGING)) {
        struct ksms_registry *figures = ksms_figures();
        if (figures) ksms_serve(figures);
        return ESRCH;
    }
    if (endless || too_long) return endless ? EINVAL : ERANGE;
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

/* Run once by who installs the programs: the timers, what they call, and what a pidfd is. EAGAIN:
 * not all timers had memory; what there is stays as it is. */
SEC("syscall")
int ksms_setup(struct ksms_setup_call *context) {
    ksms_u32 failed = 0;
    bpf_loop(KSMS_TIMERS, ksms_set_timer, &failed, 0);
    if (failed) return EAGAIN;
    return ksms_learn_pidfd(context->pidfd) ? 0 : EBADF;
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
