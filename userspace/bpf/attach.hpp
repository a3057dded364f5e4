// SPDX-License-Identifier: BSD-2-Clause
// BPF links: gone with the last descriptor, unless pinned. Calls that name an interface must be
// made inside its namespace (os/netns.hpp, in_netns).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "ksms/abi.h"

namespace ksms {

/// Attach types of linux/bpf.h; Debian 12 has the headers of Linux 6.1.
inline constexpr std::uint32_t kTcxIngress = 46, kTcxEgress = 47;  // Linux 6.6

/// BPF_LINK_CREATE with BPF_TCX_INGRESS (46) or BPF_TCX_EGRESS (47), in front of everything on the
/// hook, so that no foreign program can hide packets from us (Linux 6.6).
/// @return Code::failed with EINVAL before 6.6
Result<Fd> attach_tcx(int program, std::uint32_t ifindex, ksms_direction direction);
/// BPF_LINK_CREATE with BPF_XDP, generic mode (XDP_FLAGS_SKB_MODE). EBUSY or EEXIST where another
/// program is there.
Result<Fd> attach_xdp(int program, std::uint32_t ifindex);
/// BPF_LINK_CREATE with BPF_NETFILTER (45), Linux 6.4, at the router's first hook (PRE_ROUTING, in
/// front of everything) or its last one (POST_ROUTING, behind everything but the confirmation of
/// connections). EBUSY where another BPF link has this place.
/// @param family  AF_INET or AF_INET6
/// @param place  0 for the outermost, 1 for the next one inwards, …
Result<Fd> attach_netfilter(int program, int family, ksms_direction direction, std::int32_t place);
/// Has this program a link at this place, in whichever namespace?
Result<bool> netfilter_placed(int program, int family, ksms_direction direction,
                              std::int32_t place);
/// Is the link where it was attached? Of a link that was detached (`bpftool link detach`) the
/// kernel says nothing, but its place is free: the program is tried there. Call it inside the
/// namespace.
Result<bool> netfilter_attached(int program, std::uint32_t link);
/// A tp_btf program; needs CAP_PERFMON. The cookie reaches the program through
/// bpf_get_attach_cookie (6.10 and later; 0 before). Before 6.10 a program has one link to a
/// tracepoint: who comes second shares the first one's, which stays as long as somebody holds it.
Result<Fd> attach_tracing(int program, std::uint64_t cookie);

/// The id of a link, map or program behind a descriptor.
Result<std::uint32_t> link_id(int link);
Result<std::uint32_t> program_id(int program);
/// BPF_LINK_GET_FD_BY_ID: a second hold on a link that somebody has.
Result<Fd> link_by_id(std::uint32_t id);
/// Does anybody hold the link? It is not held for that: who lets it go meanwhile is the last.
Result<bool> link_exists(std::uint32_t id);
/// A link can be held and yet hang on nothing (`bpftool link detach`). TCX and XDP; for others see
/// netfilter_attached().
Result<bool> link_attached(std::uint32_t id);
Status pin(int object, const std::string& path);
/// @param read_only  a map that the caller may not write (BPF_F_RDONLY)
Result<Fd> open_pin(const std::string& path, bool read_only = false);

/// Programs on a TCX hook (BPF_PROG_QUERY), ids in the order they run; call it inside the
/// namespace.
Result<std::vector<std::uint32_t>> tcx_programs(std::uint32_t ifindex, ksms_direction direction);

/// The links there, ids in the order they run; call it inside the namespace.
Result<std::vector<std::uint32_t>> tcx_links(std::uint32_t ifindex, ksms_direction direction);
/// BPF_LINK_DETACH: it hangs on nothing any more, whoever holds it.
Status detach_link(std::uint32_t id);

/// BPF_PROG_TEST_RUN of a SEC("syscall") program.
/// @return the program's return value
Result<std::uint32_t> call_program(int program, void* context, std::uint32_t size);

/// Hands what an XDP program makes of `frame`, `count` times, to the stack, as if it came in by the
/// interface (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). Call it inside the interface's namespace.
Status run_live(int program, std::uint32_t ifindex, std::span<const std::uint8_t> frame,
                std::uint32_t count);

/// What this kernel can do, each found out by trying it.
struct KernelFeatures {
    std::string release;  ///< uname -r
    bool btf{false};      ///< /sys/kernel/btf/vmlinux
    bool tcx{false};
    bool kern_ctx{false};  ///< bpf_cast_to_kern_ctx
    bool cls_bpf{false};   ///< clsact and cls_bpf (found out in a namespace of its own)
    bool xdp_link{false};
    bool drop_reasons{false};   ///< kfree_skb has a reason
    bool attach_cookie{false};  ///< for tp_btf programs
    bool user_ring_buffer{false};
    bool bpf_fs{false};  ///< /sys/fs/bpf is mounted
    bool netfilter_link{false};
};
KernelFeatures probe_kernel();

}  // namespace ksms
