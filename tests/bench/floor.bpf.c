/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The floor of an isolated scan: writes each frame of a live-frames run, and nothing else. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* An Ethernet header, an IPv4 header and a TCP or UDP header with its data; set before loading. */
enum { FRAME = 14 + 20 + 40 };
struct frame {
    __u8 bytes[FRAME];
} __attribute__((packed));

__u8 frame_template[FRAME];
const volatile __u32 first_port, size, checksum_at, sum;
__u32 next;

SEC("xdp")
int floor_inject(struct xdp_md* xdp) {
    struct frame* frame = (void*)(long)xdp->data;
    if ((void*)(frame + 1) > (void*)(long)xdp->data_end) return XDP_DROP;
    __u32 port = first_port + next++;
    __builtin_memcpy(frame, frame_template, sizeof *frame);
    frame->bytes[36] = port >> 8;
    frame->bytes[37] = port;
    __u32 folded = sum + port;
    folded = (folded >> 16) + (folded & 0xffff);
    __u16 checksum = ~((folded >> 16) + folded);
    if (checksum_at < FRAME - 1) {
        frame->bytes[checksum_at] = checksum >> 8;
        frame->bytes[checksum_at + 1] = checksum;
    }
    int shorter = (int)size - FRAME;
    return shorter <= 0 && bpf_xdp_adjust_tail(xdp, shorter) == 0 ? XDP_PASS : XDP_DROP;
}
