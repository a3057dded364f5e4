/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A call that allocates: what it asks is written into a slot of `waiters`, tried at once, and waits
 * there where it may. */
#pragma once

#include "pidfd.bpf.h"
#include "wait.bpf.h"

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

struct ksms_crowd {
    ksms_u32 uid;
    ksms_u32 calls; /* of this user, whatever they do */
    ksms_u32 waiting;
    ksms_u32 pad;
};

static long ksms_count_call(ksms_u32 slot, struct ksms_crowd *crowd) {
    const struct ksms_waiter *waiter = ksms_waiter_of(slot);
    if (!waiter) return 0;
    ksms_u32 what = ksms_what(waiter->state);
    if (what == KSMS_WAITER_FREE || waiter->request.uid != crowd->uid) return 0;
    crowd->calls++;
    if (what != KSMS_WAITER_WRITING) crowd->waiting++;
    return 0;
}

/* Each looks after it has taken its slot, so that never do more stay than may. Who has the first
 * slot and does not wait is gone in a moment, and need not look.
 * @return 0; EMFILE; EAGAIN: others of this user's calls are gone in a moment */
static __noinline int ksms_find_room(const struct ksms_registry_call *call, ksms_u32 slot) {
    ksms_u32 zero = 0;
    const struct ksms_lease_limits *all = bpf_map_lookup_elem(&limits, &zero);
    struct ksms_crowd crowd = {.uid = bpf_get_current_uid_gid()};
    if (!crowd.uid || (!slot && !call->may_wait)) return 0;
    bpf_loop(KSMS_WAITERS, ksms_count_call, &crowd, 0);
    if (!all || crowd.waiting >= all->user_waiters) return EMFILE;
    return crowd.calls > all->user_waiters ? EAGAIN : 0;
}

static __always_inline int ksms_owner_by_pidfd(const struct ksms_registry_call *call,
                                               struct ksms_process *owner) {
    const struct task_struct *task = NULL;
    int result = ksms_behind_pidfd(call->owner_fd, call->named_pid, &task);
    if (result) return result;
    *owner = ksms_process_of(task);
    ksms_u32 uid = bpf_get_current_uid_gid();
    return uid && uid != owner->uid ? EPERM : 0;
}

/* Whose lease it is to be: the kernel's own word on it, not the caller's. */
static __noinline int ksms_find_owner(const struct ksms_registry_call *call,
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

/* Its owner may have ended before the exit hook could know of it. Who has closed the descriptor
 * meanwhile cannot show that it runs. */
static __always_inline bool ksms_owner_ended(const struct ksms_registry_call *call) {
    const struct task_struct *task = NULL;
    return call->owner_kind == KSMS_OWNER_PIDFD &&
           ksms_behind_pidfd(call->owner_fd, call->named_pid, &task);
}

static __noinline void ksms_write_waiter(struct ksms_waiter *waiter,
                                         const struct ksms_registry_call *call, ksms_u32 slot,
                                         const struct ksms_process *owner) {
    struct ksms_process caller = ksms_caller();
    struct ksms_lease_request *asked = &waiter->request;
    asked->allowed = call->request.allowed;
    asked->ttl_ns = call->request.ttl_ns;
    __builtin_memcpy(asked->job, call->request.job, sizeof(asked->job));
    __builtin_memcpy(asked->user, call->request.user, sizeof(asked->user));
    asked->owner_pid = owner->pid;
    asked->owner_start = owner->start;
    asked->uid = call->owner_kind == KSMS_OWNER_GIVEN ? call->request.uid : caller.uid;
    waiter->process = ksms_process_word(caller.start, caller.pid);
    waiter->process_ended = 0;
    waiter->owner_ended = 0;
    waiter->dscp = KSMS_NONE;
    waiter->owner_kind = call->owner_kind;
    waiter->promised = 0;
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
                                              int result, struct ksms_registry *figures) {
    ksms_promise(waiter, result);
    waiter->ticket = __sync_fetch_and_add(&figures->next_ticket, 1) + 1;
    ksms_add(&figures->waiting, 1);
    ksms_add(&figures->waited, 1);
    ksms_change(&waiter->state, ksms_state(sequence, KSMS_WAITER_WRITING),
                ksms_state(sequence, KSMS_WAITER_WAITING));
    if (ksms_owner_ended(call)) __sync_lock_test_and_set(&waiter->owner_ended, sequence);
    ksms_serve(figures);
    return EINPROGRESS;
}

/* What is wrong with a call, whatever the table says. */
static __always_inline int ksms_refuse_call(const struct ksms_registry_call *call) {
    const struct task_struct *task = bpf_get_current_task_btf();
    ksms_u32 uid = bpf_get_current_uid_gid();
    if (uid && task->cred->user_ns->level) return EOPNOTSUPP;
    return ksms_too_long(call->request.ttl_ns, uid) ? ERANGE : 0;
}

/* The slot is the caller's own. */
static __always_inline int ksms_ask_from(struct ksms_registry_call *call,
                                         struct ksms_waiter *waiter,
                                         struct ksms_registry *figures) {
    ksms_u32 uid = bpf_get_current_uid_gid();
    int result = uid ? ksms_check_names(&waiter->request) : 0;
    if (result) return result;
    if (call->request.allowed && !ksms_allowed(waiter)) return EDOM;
    result = ksms_find_room(call, call->waiter);
    if (result) return result;
    result = ksms_allocate(waiter, ksms_promised(figures));
    if ((result == EBUSY || result == EDQUOT) && call->may_wait)
        return ksms_begin_to_wait(call, waiter, call->sequence, result, figures);
    ksms_tell(call, waiter);
    return result;
}

static __always_inline int ksms_ask(struct ksms_registry_call *call) {
    struct ksms_process owner = {};
    int result = ksms_refuse_call(call);
    if (!result) result = ksms_find_owner(call, &owner);
    if (result) return result;
    bool root = !(ksms_u32)bpf_get_current_uid_gid();
    struct ksms_free_slot taken = {.slot = KSMS_WAITERS};
    bpf_loop(root ? KSMS_WAITERS : KSMS_WAITERS - KSMS_ROOT_WAITERS, ksms_take_slot, &taken, 0);
    struct ksms_waiter *waiter = ksms_waiter_of(taken.slot);
    struct ksms_registry *figures = ksms_figures();
    if (!waiter || !figures) return ENOSPC;
    ksms_write_waiter(waiter, call, taken.slot, &owner);
    call->waiter = taken.slot;
    call->sequence = taken.sequence;

    result = ksms_ask_from(call, waiter, figures);
    if (result == EINPROGRESS) return result;
    ksms_u32 dscp = waiter->dscp;
    ksms_u64 generation = waiter->generation;
    ksms_change(&waiter->state, ksms_state(taken.sequence, KSMS_WAITER_WRITING),
                ksms_state(taken.sequence, KSMS_WAITER_FREE));
    if (!result && ksms_owner_ended(call)) {
        struct ksms_lease *lease = ksms_lease_of(dscp);
        if (lease) ksms_orphan(lease, generation);
        result = ESRCH;
    }
    if (result == EBUSY || result == EDQUOT) ksms_add(&figures->refused, 1);
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
