// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/attach.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "base/clock.hpp"
#include "bpf/open_map.hpp"

namespace ksms {
namespace {

constexpr std::uint32_t kNetfilter = 45;      // Linux 6.4
constexpr std::uint32_t kNetfilterLink = 10;  // BPF_LINK_TYPE_NETFILTER
constexpr std::uint32_t kBefore = 1u << 3;    // BPF_F_BEFORE; relative to nothing: in front of all
constexpr std::size_t kMostPrograms = 64;     // BPF_MPROG_MAX
constexpr int kMostPlaces = 64;               // priorities at a hook that are tried
constexpr std::chrono::seconds kLinkGoes{1};  // the kernel frees a link asynchronously

std::uint32_t tcx_hook(ksms_direction direction) {
    return direction == KSMS_INGRESS ? kTcxIngress : kTcxEgress;
}

Result<Fd> attach_to(std::uint32_t ifindex, int program, std::uint32_t attach_type,
                     std::uint32_t flags, const std::string& what) {
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = flags;
    const int fd = bpf_link_create(program, static_cast<int>(ifindex),
                                   static_cast<bpf_attach_type>(attach_type), &options);
    if (fd < 0) return fail_errno(errno, what);
    return Fd(fd);
}

/// BPF_LINK_CREATE with members that bpf_link_create() of libbpf 1.1 does not pass on.
Result<Fd> create_link(const bpf_attr& attributes, const std::string& what) {
    const auto fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof attributes);
    if (fd < 0) return fail_errno(errno, what);
    return Fd(static_cast<int>(fd));
}

/// link_create.netfilter and bpf_link_info.netfilter
struct NetfilterPlace {
    std::uint32_t protocol, hook;
    std::int32_t priority;
    std::uint32_t flags;
};

// The outermost priorities of all are the kernel's own (bpf_nf_check_pf_and_hooks()).
NetfilterPlace netfilter_place(int family, ksms_direction direction, std::int32_t place) {
    const bool ingress = direction == KSMS_INGRESS;
    return {static_cast<std::uint32_t>(family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6),
            static_cast<std::uint32_t>(ingress ? NF_INET_PRE_ROUTING : NF_INET_POST_ROUTING),
            ingress ? std::numeric_limits<std::int32_t>::min() + 1 + place
                    : std::numeric_limits<std::int32_t>::max() - 1 - place,
            0};
}

Result<Fd> create_netfilter(int program, const NetfilterPlace& where) {
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    attributes.link_create.prog_fd = static_cast<std::uint32_t>(program);
    attributes.link_create.attach_type = kNetfilter;
    std::memcpy(&attributes.link_create.target_btf_id, &where, sizeof where);  // of the same union
    const char* hook = where.hook == NF_INET_PRE_ROUTING ? "PRE_ROUTING"
                       : where.hook == NF_INET_LOCAL_IN  ? "LOCAL_IN"
                                                         : "POST_ROUTING";
    return create_link(attributes, fmt::format("attach a netfilter link ({})", hook));
}

Result<Fd> create_tracing(int program, std::uint64_t cookie) {
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    attributes.link_create.prog_fd = static_cast<std::uint32_t>(program);
    attributes.link_create.attach_type = BPF_TRACE_RAW_TP;
    attributes.link_create.tracing.cookie = cookie;
    auto link = create_link(attributes, "attach to a tracepoint");
    if (link || (link.error().err != EINVAL && link.error().err != ENOTSUP)) return link;
    const int fd = bpf_raw_tracepoint_open(nullptr, program);  // kernels without cookies
    if (fd < 0) return fail_errno(errno, "attach to a tracepoint");
    return Fd(fd);
}

/// Another descriptor of the link that the program already has.
std::optional<Fd> link_of(int program) {
    const auto wanted = program_id(program);
    if (!wanted) return std::nullopt;
    for (std::uint32_t id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        Fd link(bpf_link_get_fd_by_id(id));
        const auto info = info_of<bpf_link_info>(link.get(), "look at a link");
        if (info && info->type == BPF_LINK_TYPE_RAW_TRACEPOINT && info->prog_id == *wanted)
            return link;
    }
    return std::nullopt;
}

/// bpf_attr.query of Linux 6.6, the first members.
struct Query {
    std::uint32_t interface, hook, flags, attach_flags;
    std::uint64_t programs;
    std::uint32_t count, unused;
    std::uint64_t program_flags, links;
};

struct TcxHook {
    std::vector<std::uint32_t> programs, links;
};

Result<TcxHook> query_tcx(std::uint32_t ifindex, ksms_direction direction) {
    TcxHook found{std::vector<std::uint32_t>(kMostPrograms),
                  std::vector<std::uint32_t>(kMostPrograms)};
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    Query query{};
    query.interface = ifindex;
    query.hook = tcx_hook(direction);
    query.programs = reinterpret_cast<std::uint64_t>(found.programs.data());
    query.count = kMostPrograms;
    query.links = reinterpret_cast<std::uint64_t>(found.links.data());
    std::memcpy(&attributes.query, &query, sizeof query);
    if (syscall(SYS_bpf, BPF_PROG_QUERY, &attributes, sizeof attributes) != 0) {
        if (errno == EINVAL || errno == ENOENT) return TcxHook{};  // before 6.6, or no program
        return fail_errno(errno, fmt::format("list the TCX programs of interface {}", ifindex));
    }
    std::memcpy(&query, &attributes.query, sizeof query);
    found.programs.resize(query.count);
    found.links.resize(query.count);
    return found;
}

/// Where a link is attached; nothing if the link is gone.
Result<std::optional<bpf_link_info>> info_by_id(std::uint32_t id) {
    const auto link = link_by_id(id);
    if (!link && link.error().code == Code::not_found) return std::nullopt;
    if (!link) return std::unexpected(link.error());
    KSMS_TRY(const auto info, info_of<bpf_link_info>(link->get(), "read where a link is attached"));
    return info;
}

}  // namespace

Result<Fd> attach_tcx(int program, std::uint32_t ifindex, ksms_direction direction) {
    return attach_to(ifindex, program, tcx_hook(direction), kBefore,
                     fmt::format("attach a TCX link to interface {} ({})", ifindex,
                                 direction == KSMS_INGRESS ? "ingress" : "egress"));
}

Result<Fd> attach_xdp(int program, std::uint32_t ifindex) {
    return attach_to(ifindex, program, BPF_XDP, XDP_FLAGS_SKB_MODE,
                     fmt::format("attach an XDP link to interface {}", ifindex));
}

Result<Fd> attach_netfilter(int program, int family, ksms_direction direction, std::int32_t place) {
    return create_netfilter(program, netfilter_place(family, direction, place));
}

Result<bool> netfilter_placed(int program, int family, ksms_direction direction,
                              std::int32_t place) {
    KSMS_TRY(const auto wanted, program_id(program));
    const auto there = netfilter_place(family, direction, place);
    for (std::uint32_t id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        KSMS_TRY(const auto info, info_by_id(id));
        if (!info || info->type != kNetfilterLink || info->prog_id != wanted) continue;
        NetfilterPlace where{};
        std::memcpy(&where, &info->iter, sizeof where);  // info.netfilter, of the same union
        if (where.protocol == there.protocol && where.hook == there.hook &&
            where.priority == there.priority)
            return true;
    }
    if (errno == ENOENT) return false;
    return fail_errno(errno, "list the BPF links");
}

Result<Fd> attach_behind(int program, int family, std::uint32_t hook) {
    NetfilterPlace where{
        static_cast<std::uint32_t>(family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6), hook,
        std::numeric_limits<std::int32_t>::max() - 1, 0};
    auto link = create_netfilter(program, where);
    for (int tried = 1; !link && link.error().err == EBUSY && tried < kMostPlaces; ++tried) {
        --where.priority;
        link = create_netfilter(program, where);
    }
    return link;
}

Result<bool> netfilter_attached(int program, std::uint32_t id) {
    KSMS_TRY(const auto info, info_by_id(id));
    if (!info) return false;
    NetfilterPlace where{};
    std::memcpy(&where, &info->iter, sizeof where);  // info.netfilter, of the same union
    const auto again = create_netfilter(program, where);
    if (again) return false;
    if (again.error().err == EBUSY) return true;
    return std::unexpected(again.error());
}

Result<Fd> attach_tracing(int program, std::uint64_t cookie) {
    const auto until = monotonic() + kLinkGoes;
    while (true) {
        auto link = create_tracing(program, cookie);
        if (link || link.error().err != EEXIST || monotonic() >= until) return link;
        if (auto shared = link_of(program)) return std::move(*shared);
        poll(nullptr, 0, 1);
    }
}

Result<std::uint32_t> link_id(int link) {
    KSMS_TRY(const auto info, info_of<bpf_link_info>(link, "read a link's id"));
    return info.id;
}

Result<std::uint32_t> program_id(int program) {
    KSMS_TRY(const auto info, info_of<bpf_prog_info>(program, "read a program's id"));
    return info.id;
}

Result<bool> is_own_program(std::uint32_t id) {
    const Fd program(bpf_prog_get_fd_by_id(id));
    if (!program) return fail_errno(errno, fmt::format("open the BPF program {}", id));
    KSMS_TRY(const auto info, info_of<bpf_prog_info>(program.get(), "read a program's name"));
    return std::string_view(info.name).starts_with("ksms_");
}

Result<bool> foreign_netfilter_programs() {
    for (std::uint32_t id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        KSMS_TRY(const auto info, info_by_id(id));
        if (!info || info->type != kNetfilterLink) continue;
        KSMS_TRY(const bool own, is_own_program(info->prog_id));
        if (!own) return true;
    }
    if (errno == ENOENT) return false;
    return fail_errno(errno, "list the BPF links");
}

Result<Fd> link_by_id(std::uint32_t id) {
    const int fd = bpf_link_get_fd_by_id(id);
    if (fd < 0) {
        if (errno == ENOENT) return fail(Code::not_found, fmt::format("the link {} is gone", id));
        return fail_errno(errno, fmt::format("open the link {}", id));
    }
    return Fd(fd);
}

Result<bool> link_exists(std::uint32_t id) {
    std::uint32_t next = 0;
    if (bpf_link_get_next_id(id - 1, &next) == 0) return next == id;
    if (errno == ENOENT) return false;
    return fail_errno(errno, fmt::format("look for the link {}", id));
}

Result<bool> link_attached(std::uint32_t id) {
    KSMS_TRY(const auto info, info_by_id(id));
    if (!info) return false;
    // info.tcx (Linux 6.6) begins with the interface, like info.xdp.
    return info->xdp.ifindex != 0;
}

Status pin(int object, const std::string& path) {
    if (bpf_obj_pin(object, path.c_str()) == 0) return {};
    return fail_errno(errno, "pin " + path);
}

Result<Fd> open_pin(const std::string& path, bool read_only) {
    struct bpf_obj_get_opts options{};
    options.sz = sizeof options;
    options.file_flags = read_only ? BPF_F_RDONLY : 0;
    const int fd = bpf_obj_get_opts(path.c_str(), &options);
    if (fd >= 0) return Fd(fd);
    if (errno == ENOENT) return fail(Code::not_found, "there is no pin " + path);
    return fail_errno(errno, "open the pin " + path);
}

Result<std::vector<std::uint32_t>> tcx_programs(std::uint32_t ifindex, ksms_direction direction) {
    KSMS_TRY(auto hook, query_tcx(ifindex, direction));
    return std::move(hook.programs);
}

Result<std::vector<std::uint32_t>> tcx_links(std::uint32_t ifindex, ksms_direction direction) {
    KSMS_TRY(auto hook, query_tcx(ifindex, direction));
    return std::move(hook.links);
}

Status detach_link(std::uint32_t id) {
    const auto link = link_by_id(id);
    if (!link && link.error().code == Code::not_found) return {};
    if (!link) return std::unexpected(link.error());
    if (bpf_link_detach(link->get()) == 0) return {};
    return fail_errno(errno, fmt::format("detach the link {}", id));
}

Result<std::uint32_t> call_program(int program, void* context, std::uint32_t size) {
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.ctx_in = context;
    options.ctx_size_in = size;
    if (bpf_prog_test_run_opts(program, &options) != 0)
        return fail_errno(errno, "run a BPF program");
    return options.retval;
}

Status run_live(int program, std::uint32_t ifindex, std::span<const std::uint8_t> frame,
                std::uint32_t count) {
    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.size());
    context.ingress_ifindex = ifindex;
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.repeat = static_cast<int>(count);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    options.batch_size = std::min<std::uint32_t>(count, 64);
    if (bpf_prog_test_run_opts(program, &options) == 0) return {};
    return fail_errno(errno, fmt::format("inject packets at interface {}", ifindex));
}

}  // namespace ksms
