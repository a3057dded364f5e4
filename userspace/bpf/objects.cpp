// SPDX-License-Identifier: BSD-2-Clause
// Opens the installed pins, checked against abi.h.
#include "bpf/objects.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdlib>

#include "bpf/attach.hpp"
#include "bpf/install.hpp"
#include "bpf/open_map.hpp"

namespace ksms {
namespace {

bool on_bpf_fs(const std::string& path) {
    struct statfs filesystem{};
    return statfs(path.c_str(), &filesystem) == 0 && filesystem.f_type == BPF_FS_MAGIC;
}

/// 0 if there is no such file.
std::uint64_t inode_of(const std::string& path) {
    struct stat status{};
    return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

const char* name_of(Program program) {
    switch (program) {
        case Program::clsact_ingress: return "ksms_clsact_ingress";
        case Program::clsact_egress: return "ksms_clsact_egress";
        case Program::tcx_ingress: return "ksms_tcx_ingress";
        case Program::tcx_egress: return "ksms_tcx_egress";
        case Program::xdp_ingress: return "ksms_xdp_ingress";
        case Program::netfilter_ingress: return "ksms_nf_ingress";
        case Program::netfilter_egress: return "ksms_nf_egress";
        case Program::netfilter_local_in: return "ksms_nf_local_in";
        case Program::netfilter_post_routing: return "ksms_nf_post_routing";
        case Program::drop: return "ksms_drop";
        case Program::trail_in: return "ksms_trail_in";
        case Program::trail_out: return "ksms_trail_out";
        case Program::trail_consumed: return "ksms_trail_consumed";
        case Program::trail_dropped: return "ksms_trail_dropped";
        case Program::lease: return "ksms_lease";
        case Program::setup: return "ksms_setup";
        case Program::exit: return "ksms_exit";
        case Program::keep: return "ksms_keep";
        case Program::thread_id: return "ksms_thread_id";
        case Program::inject: return "ksms_inject";
        case Program::symbol: return "ksms_symbol";
        case Program::count_: break;
    }
    return "";
}

Result<PinRoot> PinRoot::choose(const std::string& option,
                                const std::optional<std::string>& environment) {
    PinRoot root;
    const char* where = "--pin-root";
    if (!option.empty()) {
        root.path = option;
    } else if (environment) {
        root.path = *environment;
        where = "KSMS_PIN_ROOT";
    } else {
        return root;
    }
    while (root.path.size() > 1 && root.path.back() == '/') root.path.pop_back();
    const auto slash = root.path.rfind('/');
    if (root.path.front() != '/' || slash == std::string::npos || root.path.size() == 1)
        return fail(
            Code::usage,
            fmt::format("{}: '{}' is not an absolute path of a directory", where, root.path),
            "name one on a BPF file system, such as /sys/fs/bpf/mine");
    const auto name = root.path.substr(slash + 1);
    if (name.find('.') != std::string::npos)
        return fail(
            Code::usage,
            fmt::format("{}: the BPF file system takes no name with a dot ('{}')", where, name));
    const auto parent = root.path.substr(0, slash);
    if (parent != "/sys/fs/bpf" && !on_bpf_fs(parent))
        return fail(Code::usage, fmt::format("{}: {} is not on a BPF file system", where, parent),
                    "mount -t bpf bpf DIRECTORY, or use a directory below /sys/fs/bpf");
    return root;
}

int Objects::program(Program which) const {
    return programs_.at(static_cast<std::size_t>(which)).get();
}

std::string Objects::pin_path(const std::string& name) const {
    return root_.path + "/" + name;
}

Result<Objects> Objects::open(const PinRoot& root, Missing missing) {
    KSMS_TRY(const bool unwatched, ensure_installed(root, missing == Missing::install));
    Objects objects;
    objects.root_ = root;
    const auto& at = root.path;
    objects.inode_ = inode_of(at + "/config");
    {
        KSMS_TRY(const auto raw,
                 open_map(at, "config", sizeof(std::uint32_t), sizeof(ksms_config)));
        KSMS_TRY(objects.config, MappedArray<ksms_config>::map(raw.fd(), 1, "config"));
        objects.object_hash_ = objects.config.values()[0].object_hash;
    }
    {
        KSMS_TRY(const auto raw,
                 open_map(at, "trail_ends", sizeof(std::uint32_t), sizeof(ksms_trail_end)));
        KSMS_TRY(objects.trail_ends,
                 MappedArray<ksms_trail_end>::map(raw.fd(), KSMS_DSCPS, "trail_ends"));
    }
    KSMS_TRY(objects.registry, RegistryPins::open_installed(root, false));
    objects.registry.unwatched.set(unwatched);
    KSMS_CHECK(open_typed(at, "scans", objects.scans));
    KSMS_CHECK(open_typed(at, "scan_routers", objects.scan_routers));
    KSMS_CHECK(open_typed(at, "services", objects.services));
    KSMS_CHECK(open_typed(at, "service_numbers", objects.service_numbers));
    KSMS_CHECK(open_typed(at, "counters", objects.counters));
    KSMS_CHECK(open_typed(at, "translations", objects.translations));
    KSMS_CHECK(open_typed(at, "drops", objects.drops));
    KSMS_CHECK(open_typed(at, "trail", objects.trail));
    KSMS_CHECK(open_typed(at, "followed", objects.followed));
    KSMS_CHECK(open_typed(at, "taps", objects.taps));
    KSMS_CHECK(open_typed(at, "tap_ids", objects.tap_ids));
    KSMS_CHECK(open_typed(at, "injections", objects.injections));
    KSMS_CHECK(open_typed(at, "stats", objects.stats));
    KSMS_CHECK(open_typed(at, "journal", objects.journal));
    KSMS_CHECK(open_typed(at, "dense_services", objects.dense_services));
    KSMS_CHECK(open_typed(at, "dense_counters", objects.dense_counters));
    KSMS_CHECK(open_typed(at, "dense_drops", objects.dense_drops));
    KSMS_CHECK(open_typed(at, "reasons", objects.reasons));
    for (std::size_t i = 0; i < objects.programs_.size(); ++i) {
        auto fd = open_pin(at + "/" + name_of(static_cast<Program>(i)));
        if (fd)
            objects.programs_[i] = std::move(*fd);
        else if (fd.error().code != Code::not_found)
            return std::unexpected(fd.error());
    }
    return objects;
}

bool Objects::is_current() const {
    return inode_ != 0 && inode_of(root_.path + "/config") == inode_ &&
           config.values()[0].object_hash == object_hash_;
}

}  // namespace ksms
