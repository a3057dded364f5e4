// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/cgroup.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdint>
#include <fstream>

#include "base/fd.hpp"

namespace ksms {

std::string cgroup_mount() {
    for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        struct statfs filesystem{};
        if (statfs(place, &filesystem) == 0 && filesystem.f_type == CGROUP2_SUPER_MAGIC)
            return place;
    }
    return {};
}

Result<bool> cgroup_filters_packets() {
    const auto mount = cgroup_mount();
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; !mount.empty() && std::getline(groups, line);) {
        if (!line.starts_with("0::")) continue;
        const auto path = mount + line.substr(3);
        const Fd cgroup(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!cgroup) return fail_errno(errno, "open the cgroup " + path);
        std::uint32_t count = 0;
        if (bpf_prog_query(cgroup.get(), BPF_CGROUP_INET_EGRESS, BPF_F_QUERY_EFFECTIVE, nullptr,
                           nullptr, &count) != 0)
            return fail_errno(errno, "list the BPF programs of the cgroup " + path);
        return count > 0;
    }
    return false;
}

}  // namespace ksms
