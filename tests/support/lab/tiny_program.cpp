// SPDX-License-Identifier: BSD-2-Clause
#include "lab/tiny_program.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "lab/process.hpp"

namespace ksms::lab {
namespace {

constexpr int kXdp = BPF_XDP;

Fd bpf_call(int command, bpf_attr& attributes, const char* what) {
    Fd fd(static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes)));
    if (!fd) throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
    return fd;
}

bpf_insn instruction(int code, int to, int from, int offset, std::int32_t value) {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = to & 0xf;
    made.src_reg = from & 0xf;
    made.off = static_cast<std::int16_t>(offset);
    made.imm = value;
    return made;
}

std::vector<bpf_insn> return_always(std::int32_t value) {
    return {instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value),
            instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}

/// Of Ethernet frames; `data` and `data_end` are where the context has them.
std::vector<bpf_insn> return_by_dscp(int data, int data_end, std::uint8_t dscp, std::int32_t has,
                                     std::int32_t has_not) {
    constexpr int load = BPF_LDX | BPF_MEM, is = BPF_JMP | BPF_JEQ | BPF_K;
    return {instruction(load | BPF_W, 2, 1, data, 0),
            instruction(load | BPF_W, 3, 1, data_end, 0),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0),
            instruction(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, 18),
            instruction(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 11, 0),
            instruction(load | BPF_H, 5, 2, 12, 0),
            instruction(is, 5, 0, 4, htons(0x86dd)),
            instruction(is, 5, 0, 1, htons(0x0800)),
            instruction(BPF_JMP | BPF_JA, 0, 0, 7, 0),
            instruction(load | BPF_B, 5, 2, 15, 0),  // IPv4: its second byte
            instruction(BPF_JMP | BPF_JA, 0, 0, 3, 0),
            instruction(load | BPF_H, 5, 2, 14, 0),  // IPv6: twelve bits of its first two
            instruction(BPF_ALU | BPF_END | BPF_TO_BE, 5, 0, 0, 16),
            instruction(BPF_ALU64 | BPF_RSH | BPF_K, 5, 0, 0, 4),
            instruction(BPF_ALU64 | BPF_AND | BPF_K, 5, 0, 0, 0xfc),
            instruction(is, 5, 0, 2, dscp << 2),
            instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, has_not),
            instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
            instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, has),
            instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}

/// @param map  an array of one number: when the last packet passed, in ns
std::vector<bpf_insn> return_by_time(int map, std::int32_t interval_ns, std::int32_t sooner,
                                     std::int32_t later) {
    return {instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 7, 0, 0, 0),
            instruction(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
            instruction(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
            instruction(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
            instruction(0, 0, 0, 0, 0),
            instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
            instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7, 0),
            instruction(BPF_LDX | BPF_MEM | BPF_DW, 1, 0, 0, 0),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 2, 7, 0, 0),
            instruction(BPF_ALU64 | BPF_SUB | BPF_X, 2, 1, 0, 0),
            instruction(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 2, interval_ns),
            instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, sooner),
            instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
            instruction(BPF_STX | BPF_MEM | BPF_DW, 0, 7, 0, 0),
            instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, later),
            instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}

Fd load_tiny(int type, const std::vector<bpf_insn>& code) {
    static const char license[] = "GPL";
    bpf_attr load{};
    load.prog_type = static_cast<std::uint32_t>(type);
    load.insns = reinterpret_cast<std::uint64_t>(code.data());
    load.insn_cnt = static_cast<std::uint32_t>(code.size());
    load.license = reinterpret_cast<std::uint64_t>(license);
    return bpf_call(BPF_PROG_LOAD, load, "a tiny program");
}

Fd attach_code(const std::string& netns, const std::string& interface, int attach,
               const std::vector<bpf_insn>& code) {
    const Fd program =
        load_tiny(attach == kXdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS, code);
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

}  // namespace

Fd attach_tiny(const std::string& netns, const std::string& interface, int attach,
               std::int32_t returns) {
    return attach_code(netns, interface, attach, return_always(returns));
}

Fd attach_dscp_dropper(const std::string& netns, const std::string& interface, int attach,
                       std::uint8_t dscp) {
    if (attach == kXdp)
        return attach_code(netns, interface, attach,
                           return_by_dscp(offsetof(xdp_md, data), offsetof(xdp_md, data_end), dscp,
                                          XDP_DROP, XDP_PASS));
    return attach_code(netns, interface, attach,
                       return_by_dscp(offsetof(__sk_buff, data), offsetof(__sk_buff, data_end),
                                      dscp, TC_ACT_SHOT, TC_ACT_UNSPEC));
}

Fd attach_limiter(const std::string& netns, const std::string& interface, int attach) {
    bpf_attr create{};
    create.map_type = BPF_MAP_TYPE_ARRAY;
    create.key_size = 4;
    create.value_size = 8;
    create.max_entries = 1;
    const Fd map = bpf_call(BPF_MAP_CREATE, create, "a limiter's map");
    constexpr std::int32_t interval_ns = 40'000'000;
    return attach_code(netns, interface, attach,
                       return_by_time(map.get(), interval_ns, TC_ACT_SHOT, TC_ACT_UNSPEC));
}

}  // namespace ksms::lab
