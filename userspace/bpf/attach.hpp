// SPDX-License-Identifier: BSD-2-Clause
// BPF links. A link that is not pinned is removed with its last descriptor. Call functions with an
// interface inside its namespace (os/netns.hpp, in_netns).
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

/// BPF_LINK_CREATE with BPF_TCX_INGRESS (46) or BPF_TCX_EGRESS (47), in front of all programs on
/// the hook, so that none can hide packets from ours (Linux 6.6).
/// @return Code::failed with EINVAL before 6.6
Result<Fd> attach_tcx(int program, std::uint32_t ifindex, ksms_direction direction);
/// BPF_LINK_CREATE with BPF_XDP, generic mode (XDP_FLAGS_SKB_MODE). EBUSY or EEXIST if another
/// program is attached.
Result<Fd> attach_xdp(int program, std::uint32_t ifindex);
/// BPF_LINK_CREATE with BPF_NETFILTER (45), Linux 6.4: first at PRE_ROUTING (ingress), or last at
/// POST_ROUTING (egress) but before the confirmation of connections. EBUSY if another BPF link has
/// this priority.
/// @param family  AF_INET or AF_INET6
/// @param place  0 for the outermost, 1 for the next one inwards, …
Result<Fd> attach_netfilter(int program, int family, ksms_direction direction, std::int32_t place);
/// Attaches a program behind everything else at a hook (linux/netfilter.h), at the first priority
/// that is free.
Result<Fd> attach_behind(int program, int family, std::uint32_t hook);
/// Whether this program has a link at this place, in any namespace.
Result<bool> netfilter_placed(int program, int family, ksms_direction direction,
                              std::int32_t place);
/// Whether the link is still attached. The kernel does not report that a netfilter link was
/// detached (`bpftool link detach`), so this tries to attach the program at its priority. Call it
/// inside the namespace.
Result<bool> netfilter_attached(int program, std::uint32_t link);
/// Attaches a tp_btf program; needs CAP_PERFMON. The program reads the cookie with
/// bpf_get_attach_cookie (since 6.10; 0 before). Before 6.10 a program can have only one link to a
/// tracepoint: later callers share it, and it exists as long as one of them holds it.
Result<Fd> attach_tracing(int program, std::uint64_t cookie);

/// The id of a link, map or program behind a descriptor.
Result<std::uint32_t> link_id(int link);
Result<std::uint32_t> program_id(int program);
/// Whether the program with this id is one of ksms, by its name.
Result<bool> is_own_program(std::uint32_t id);
/// BPF_LINK_GET_FD_BY_ID: another descriptor of an existing link.
Result<Fd> link_by_id(std::uint32_t id);
/// Whether any process holds the link. This does not hold it itself.
Result<bool> link_exists(std::uint32_t id);
/// Whether a TCX or XDP link is attached. A link can exist and be detached (`bpftool link detach`).
/// For netfilter see netfilter_attached().
Result<bool> link_attached(std::uint32_t id);
Status pin(int object, const std::string& path);
/// @param read_only  a map that the caller may not write (BPF_F_RDONLY)
Result<Fd> open_pin(const std::string& path, bool read_only = false);

/// The programs on a TCX hook (BPF_PROG_QUERY), ids in the order they run. Call it inside the
/// namespace.
Result<std::vector<std::uint32_t>> tcx_programs(std::uint32_t ifindex, ksms_direction direction);

/// Has somebody else a BPF program at a hook of netfilter, in whatever namespace?
Result<bool> foreign_netfilter_programs();

/// The links on a TCX hook, ids in the order they run. Call it inside the namespace.
Result<std::vector<std::uint32_t>> tcx_links(std::uint32_t ifindex, ksms_direction direction);
/// BPF_LINK_DETACH: detaches the link, whoever holds it.
Status detach_link(std::uint32_t id);

/// BPF_PROG_TEST_RUN of a SEC("syscall") program.
/// @return the program's return value
Result<std::uint32_t> call_program(int program, void* context, std::uint32_t size);

/// Runs an XDP program `count` times on `frame` and passes the results to the stack as if the
/// interface had received them (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). Call it inside the
/// interface's namespace.
Status run_live(int program, std::uint32_t ifindex, std::span<const std::uint8_t> frame,
                std::uint32_t count);

/// Features of the running kernel.
struct KernelFeatures {
    std::string release;  ///< uname -r
    bool btf{false};      ///< /sys/kernel/btf/vmlinux
    bool tcx{false};
    bool kern_ctx{false};  ///< bpf_cast_to_kern_ctx
    bool cls_bpf{false};   ///< clsact and cls_bpf
    bool xdp_link{false};
    bool drop_reasons{false};   ///< kfree_skb has a reason
    bool attach_cookie{false};  ///< for tp_btf programs
    bool user_ring_buffer{false};
    bool bpf_fs{false};  ///< /sys/fs/bpf is mounted
    bool netfilter_link{false};
};
KernelFeatures probe_kernel();

}  // namespace ksms
