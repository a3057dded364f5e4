// SPDX-License-Identifier: BSD-2-Clause
// Feature probes: test the kernel instead of its version.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <string_view>

#include "bpf/attach.hpp"

namespace ksms {
namespace {

struct FreeBtf {
    void operator()(btf* types) const { btf__free(types); }
};

/// The number of parameters of a tracepoint function, by the BTF type btf_trace_NAME.
int parameters_of_tracepoint(const btf* kernel, const char* name) {
    const int id = btf__find_by_name_kind(kernel, name, BTF_KIND_TYPEDEF);
    if (id < 0) return -1;
    const auto* type = btf__type_by_id(kernel, static_cast<std::uint32_t>(id));
    type = btf__type_by_id(kernel, type->type);  // pointer
    type = btf__type_by_id(kernel, type->type);  // function prototype
    return btf_vlen(type);
}

bool has_member(const btf* kernel, const char* structure, std::string_view name) {
    const int id = btf__find_by_name_kind(kernel, structure, BTF_KIND_STRUCT);
    if (id < 0) return false;
    const auto* type = btf__type_by_id(kernel, static_cast<std::uint32_t>(id));
    const auto* members = btf_members(type);
    return std::any_of(members, members + btf_vlen(type), [&](const btf_member& member) {
        return name == btf__name_by_offset(kernel, member.name_off);
    });
}

/// A program that returns 0.
Fd trivial_program(bpf_prog_type type) {
    const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    return Fd(bpf_prog_load(type, "ksms_try", "GPL", code, std::size(code), nullptr));
}

/// The kernel knows an attach type if it refuses the interface instead of the type.
bool knows_link(int program, std::uint32_t attach_type) {
    constexpr int no_interface = 0x7fffffff;
    const Fd link(
        bpf_link_create(program, no_interface, static_cast<bpf_attach_type>(attach_type), nullptr));
    return link || errno == ENODEV || errno == ENOENT;
}

}  // namespace

KernelFeatures probe_kernel() {
    KernelFeatures features;
    utsname name{};
    if (uname(&name) == 0) features.release = name.release;
    struct statfs filesystem{};
    features.bpf_fs = statfs("/sys/fs/bpf", &filesystem) == 0 && filesystem.f_type == BPF_FS_MAGIC;

    const std::unique_ptr<btf, FreeBtf> kernel(btf__load_vmlinux_btf());
    features.btf = static_cast<bool>(kernel);
    if (kernel) {
        features.kern_ctx =
            btf__find_by_name_kind(kernel.get(), "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;
        // Parameters: data, packet, location, and since 5.17 the reason.
        features.drop_reasons = parameters_of_tracepoint(kernel.get(), "btf_trace_kfree_skb") >= 4;
        // knows_link() cannot test XDP: it returns EINVAL for a missing interface and for an
        // unknown type.
        features.xdp_link =
            btf__find_by_name_kind(kernel.get(), "bpf_xdp_link_attach", BTF_KIND_FUNC) > 0;
        features.netfilter_link =
            btf__find_by_name_kind(kernel.get(), "bpf_nf_link_attach", BTF_KIND_FUNC) > 0;
        // Other tracing programs have cookies since 5.19.
        features.attach_cookie = has_member(kernel.get(), "bpf_raw_tp_link", "cookie");
        features.user_ring_buffer =
            btf__find_by_name_kind(kernel.get(), "bpf_user_ringbuf_drain", BTF_KIND_FUNC) > 0;
    }
    const auto classifier = trivial_program(BPF_PROG_TYPE_SCHED_CLS);
    features.cls_bpf = static_cast<bool>(classifier);
    if (classifier) features.tcx = knows_link(classifier.get(), kTcxIngress);
    return features;
}

}  // namespace ksms
