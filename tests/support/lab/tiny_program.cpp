// SPDX-License-Identifier: BSD-2-Clause
#include "lab/tiny_program.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "lab/process.hpp"

namespace ksms::lab {
namespace {

constexpr int kXdp = BPF_XDP;

Fd bpf_call(int command, bpf_attr& attributes, const char* what) {
    Fd fd(static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes)));
    if (!fd) throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
    return fd;
}

Fd load_tiny(int type, std::int32_t returns) {
    std::array<bpf_insn, 2> code{};
    code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
    code[0].imm = returns;
    code[1].code = BPF_JMP | BPF_EXIT;
    static const char license[] = "GPL";
    bpf_attr load{};
    load.prog_type = static_cast<std::uint32_t>(type);
    load.insns = reinterpret_cast<std::uint64_t>(code.data());
    load.insn_cnt = code.size();
    load.license = reinterpret_cast<std::uint64_t>(license);
    return bpf_call(BPF_PROG_LOAD, load, "a tiny program");
}

}  // namespace

Fd attach_tiny(const std::string& netns, const std::string& interface, int attach,
               std::int32_t returns) {
    const Fd program =
        load_tiny(attach == kXdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, returns);
    Fd link;
    inside(netns, [&] {
        bpf_attr create{};
        create.link_create.prog_fd = static_cast<std::uint32_t>(program.get());
        create.link_create.target_ifindex = ::if_nametoindex(interface.c_str());
        create.link_create.attach_type = static_cast<std::uint32_t>(attach);
        link = bpf_call(BPF_LINK_CREATE, create, "a tiny program's link");
    });
    return link;
}

}  // namespace ksms::lab
