/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which process: the kernel's own word on it, in the initial PID namespace. */
#pragma once

#include <linux/errno.h>
#include <stdbool.h>

#include "kernel.bpf.h"

/* /proc/PID/stat counts in USER_HZ, which is 100 everywhere (proc(5), field 22). */
enum { KSMS_NS_PER_TICK = 10000000 };

struct ksms_process {
    __u64 start; /* clock ticks since boot */
    __u32 pid;
    __u32 uid;
};

static __always_inline struct ksms_process ksms_caller(void) {
    const struct task_struct *task = bpf_get_current_task_btf();
    return (struct ksms_process){.start = task->group_leader->start_boottime / KSMS_NS_PER_TICK,
                                 .pid = task->tgid,
                                 .uid = bpf_get_current_uid_gid()};
}

/* The process (thread group) of a struct pid; NULL once it is reaped. */
static __always_inline const struct task_struct *ksms_task_of(const struct pid *pid) {
    const char *link = (const char *)BPF_CORE_READ(pid, tasks[KSMS_PIDTYPE_TGID].first);
    if (!link) return NULL;
    return (const void *)(link - bpf_core_field_offset(struct task_struct, pid_links) -
                          KSMS_PIDTYPE_TGID * bpf_core_type_size(struct hlist_node));
}

/* A zombie has ended: its threads are no more. */
static __always_inline bool ksms_runs(const struct task_struct *task) {
    return BPF_CORE_READ(task, signal, live.counter) > 0;
}

/* The number of a struct pid in the PID namespace at this depth. */
static __always_inline __u32 ksms_number_at(const struct pid *pid, __u32 level) {
    __u32 number = 0;
    const char *numbers = (const char *)pid + bpf_core_field_offset(struct pid, numbers);
    bpf_probe_read_kernel(
        &number, sizeof(number),
        numbers + level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr));
    return number;
}

/* Of the leader of a thread group. */
static __always_inline struct ksms_process ksms_process_of(const struct task_struct *task) {
    return (struct ksms_process){.start = BPF_CORE_READ(task, start_boottime) / KSMS_NS_PER_TICK,
                                 .pid = BPF_CORE_READ(task, tgid),
                                 .uid = BPF_CORE_READ(task, real_cred, uid.val)};
}
