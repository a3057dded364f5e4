/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Probes without a source host: BPF_PROG_TEST_RUN with live frames (Linux 5.18) hands what this
 * program writes to the stack, as if it had come in by an interface. */
#include "lease.bpf.h"
#include "own.bpf.h"
#include "process.bpf.h"

/* Frames are used again: whatever the stack did to one, it is written anew from end to end. */
struct ksms_frame {
    __u8 ethernet[14];
    __u8 packet[KSMS_INJECTION_BYTES];
} __attribute__((packed));

static __always_inline __u32 ksms_thread(void) {
    const struct task_struct *task = bpf_get_current_task_btf();
    return task->pid;
}

/* The caller's own number, which it may not know: it may be in another PID namespace. */
SEC("syscall")
int ksms_thread_id(KSMS_UNUSED void *context) {
    return ksms_thread();
}

static __always_inline void ksms_put16(__u8 *at, __u32 value) {
    at[0] = value >> 8;
    at[1] = value;
}

static __always_inline void ksms_put32(__u8 *at, __u32 value) {
    ksms_put16(at, value >> 16);
    ksms_put16(at + 2, value);
}

static __always_inline __u32 ksms_words(__u32 value) {
    return (value >> 16) + (value & 0xffff);
}

static __always_inline __u16 ksms_checksum(__u32 sum) {
    sum = ksms_words(sum);
    return ~ksms_words(sum);
}

/* Where userspace/probe/probe_packet.cpp puts them. */
static __always_inline void ksms_finish_tcp(__u8 *tcp, __u32 port, __u32 token, __u32 sum) {
    ksms_put16(tcp + 2, port);
    ksms_put32(tcp + 4, token);
    ksms_put32(tcp + 28, token | 1); /* the timestamp */
    ksms_put16(tcp + 16, ksms_checksum(sum + port + ksms_words(token) + ksms_words(token | 1)));
}

static __always_inline void ksms_finish_udp(__u8 *udp, __u32 port, __u32 token, __u32 sum) {
    ksms_put16(udp + 2, port);
    ksms_put32(udp + 12, token);
    __u16 checksum = ksms_checksum(sum + port + ksms_words(token));
    ksms_put16(udp + 6, checksum ? checksum : 0xffff); /* RFC 768: 0 says that there is none */
}

static __always_inline bool ksms_write_probe(struct xdp_md *xdp, const struct ksms_injection *what,
                                             const struct ksms_probe *probe, __u32 token) {
    struct ksms_frame *frame = (void *)(long)xdp->data;
    if ((void *)(frame + 1) > (void *)(long)xdp->data_end) return false;
    bool tcp = probe->protocol == IPPROTO_TCP, four = probe->scan->family == 4;
    const struct ksms_injected_packet *whole = tcp ? &what->tcp : &what->udp;
    __builtin_memcpy(frame->ethernet, what->ethernet, sizeof(frame->ethernet));
    __builtin_memcpy(frame->packet, whole->bytes, sizeof(frame->packet));
    if (tcp && four)
        ksms_finish_tcp(frame->packet + sizeof(struct iphdr), probe->port, token, whole->sum);
    else if (tcp)
        ksms_finish_tcp(frame->packet + sizeof(struct ipv6hdr), probe->port, token, whole->sum);
    else if (four)
        ksms_finish_udp(frame->packet + sizeof(struct iphdr), probe->port, token, whole->sum);
    else
        ksms_finish_udp(frame->packet + sizeof(struct ipv6hdr), probe->port, token, whole->sum);
    int shorter = (int)whole->size - KSMS_INJECTION_BYTES;
    return shorter <= 0 && bpf_xdp_adjust_tail(xdp, shorter) == 0;
}

SEC("xdp")
int ksms_inject(struct xdp_md *xdp) {
    __u32 thread = ksms_thread(), zero = 0;
    struct ksms_injection *what = bpf_map_lookup_elem(&injections, &thread);
    const struct ksms_config *installed = bpf_map_lookup_elem(&config, &zero);
    if (!what || !installed) return XDP_DROP;
    __u32 at = what->next++;
    if (at >= what->count) return XDP_DROP;
    struct ksms_probe probe = {.dscp = what->dscp};
    if (what->consecutive)
        probe.probe = what->probes[0] + at;
    else if (at < KSMS_INJECTION_PROBES)
        probe.probe = what->probes[at];
    else
        return XDP_DROP;
    probe.scan = ksms_active_scan(probe.dscp);
    if (!probe.scan || !probe.scan->services) return XDP_DROP;
    if (!ksms_find_service(&probe)) return XDP_DROP;
    __u32 token = ksms_token_seal(ksms_token_pack(probe.dscp, probe.probe, probe.scan->generation),
                                  installed->token_key);
    if (!ksms_write_probe(xdp, what, &probe, token)) return XDP_DROP;
    return what->sent ? XDP_TX : XDP_PASS;
}
