/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The process behind a pidfd of the caller's. Linux 6.1 has no helper that takes a reference on
 * it, so everything is read as it lies there, and the caller may change it meanwhile: what is read
 * is believed only where it proves itself. Whoever passes another file learns nothing by it but
 * that it is no pidfd. */
#pragma once

#include "process.bpf.h"

/* The file operations that every pidfd has, and nothing else; 0 before ksms_setup. An address of
 * the kernel's: in no map that anybody but root reads. */
__u64 ksms_pidfd_operations;

/* @return NULL: no such descriptor */
static __always_inline const struct file *ksms_file(__u32 fd) {
    const struct task_struct *task = bpf_get_current_task_btf();
    const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    if (fd >= BPF_CORE_READ(table, max_fds)) return NULL;
    struct file *const *slots = BPF_CORE_READ(table, fd);
    const struct file *file = NULL;
    bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
    return file;
}

/* Of a file that is a pidfd. */
static __always_inline const struct pid *ksms_pid_in(const struct file *file) {
    /* Since 6.9 (pidfs) it is in the inode. */
    const struct pid *pid = BPF_CORE_READ(file, f_inode, i_private);
    return pid ? pid : BPF_CORE_READ(file, private_data);
}

/* What a pidfd is, by one that is known to lead to the caller. */
static __always_inline bool ksms_learn_pidfd(__u32 fd) {
    const struct task_struct *task = bpf_get_current_task_btf();
    const struct file *file = ksms_file(fd);
    if (!file || ksms_pid_in(file) != BPF_CORE_READ(task, group_leader, thread_pid)) return false;
    ksms_pidfd_operations = (__u64)BPF_CORE_READ(file, f_op);
    return true;
}

/* The leader of the process behind the caller's descriptor `fd`, which the caller names `named`.
 * @return 0; EBADF: the descriptor is no pidfd; ESRCH: that process has ended, or it is another */
static __always_inline int ksms_behind_pidfd(__u32 fd, __u32 named,
                                             const struct task_struct **found) {
    const struct file *file = ksms_file(fd);
    __u64 operations = ksms_pidfd_operations;
    if (!file || !operations || (__u64)BPF_CORE_READ(file, f_op) != operations) return EBADF;
    const struct pid *pid = ksms_pid_in(file);
    const struct task_struct *task = ksms_task_of(pid);
    /* The file may have been closed, and its memory be another's, since we looked. A task that
     * points back is what a struct pid has and nothing else. */
    if (!task || BPF_CORE_READ(task, thread_pid) != pid) return ESRCH;
    const struct task_struct *caller = bpf_get_current_task_btf();
    __u32 depth = BPF_CORE_READ(caller, thread_pid, level);
    if (BPF_CORE_READ(pid, level) < depth || ksms_number_at(pid, depth) != named) return ESRCH;
    *found = task;
    return ksms_runs(task) ? 0 : ESRCH;
}
