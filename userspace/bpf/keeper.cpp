// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/keeper.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "base/fd.hpp"
#include "base/hash.hpp"
#include "bpf/cgroup.hpp"

namespace ksms {

std::string keeper_path(const PinRoot& root) {
    const auto mount = cgroup_mount();
    if (mount.empty()) return {};
    const auto name = root.path.substr(root.path.rfind('/') + 1);
    const auto hash = static_cast<std::uint32_t>(fnv1a(root.path));
    return fmt::format("{}/{}-{:08x}", mount, name, hash);
}

Status bind_maps(int program, const std::vector<int>& maps) {
    for (const int map : maps)
        if (bpf_prog_bind_map(program, map, nullptr) != 0)
            return fail_errno(errno, "bind a map to ksms_keep");
    return {};
}

Status keep(const PinRoot& root, int program) {
    const auto path = keeper_path(root);
    if (path.empty()) return fail(Code::not_found, "no cgroup v2 is mounted");
    KSMS_TRY([[maybe_unused]] const auto before, let_go(root));
    if (mkdir(path.c_str(), 0755) != 0) return fail_errno(errno, "make the cgroup " + path);
    const Fd cgroup(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup) return fail_errno(errno, "open the cgroup " + path);
    if (bpf_prog_attach(program, cgroup.get(), BPF_CGROUP_SYSCTL, BPF_F_ALLOW_MULTI) != 0) {
        const int err = errno;
        rmdir(path.c_str());
        return fail_errno(err, "attach ksms_keep to the cgroup " + path);
    }
    return {};
}

Result<std::uint32_t> kept_program(const PinRoot& root) {
    const auto path = keeper_path(root);
    if (path.empty()) return 0;
    const Fd cgroup(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup && errno == ENOENT) return 0;
    if (!cgroup) return fail_errno(errno, "open the cgroup " + path);
    std::array<std::uint32_t, 1> programs{};
    std::uint32_t number = programs.size();
    if (bpf_prog_query(cgroup.get(), BPF_CGROUP_SYSCTL, 0, nullptr, programs.data(), &number) != 0)
        return fail_errno(errno, "list the programs of the cgroup " + path);
    return number == 0 ? 0 : programs.front();
}

Result<bool> let_go(const PinRoot& root) {
    const auto path = keeper_path(root);
    if (path.empty() || rmdir(path.c_str()) == 0) return !path.empty();
    if (errno == ENOENT) return false;
    return fail_errno(errno, "remove the cgroup " + path);
}

}  // namespace ksms
