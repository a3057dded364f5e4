/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Holds what it is bound to, and never runs: it hangs on a cgroup without a process
 * (userspace/bpf/keeper.hpp). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/sysctl")
int ksms_keep(struct bpf_sysctl *context) {
    (void)context;
    return 1; /* allowed */
}
