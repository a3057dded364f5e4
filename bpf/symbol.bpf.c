/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Names for addresses in the kernel's text, without /proc/kallsyms: reading that takes longer than
 * a scan. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ksms/abi.h"

SEC("syscall")
int ksms_symbol(struct ksms_symbol_call *call) {
    __u64 arguments[] = {call->address};
    static const char format[] = "%ps";
    char name[sizeof(call->name)] = {}; /* 6.1 wants what a helper writes to be initialised */

    long length = bpf_snprintf(name, sizeof(name), format, arguments, sizeof(arguments));
    if (length < 0) return (int)length;
    __builtin_memcpy(call->name, name, sizeof(name));
    return 0;
}
