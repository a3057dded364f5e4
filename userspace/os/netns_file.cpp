// SPDX-License-Identifier: BSD-2-Clause
#include "os/netns_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/text.hpp"
#include "os/proc_file.hpp"

namespace ksms {
namespace {

/// The process N of a path /proc/N/ns/net.
std::optional<std::uint32_t> process_of(std::string_view path) {
    constexpr std::string_view before = "/proc/", behind = "/ns/net";
    if (!path.starts_with(before) || !path.ends_with(behind)) return std::nullopt;
    path.remove_prefix(before.size());
    path.remove_suffix(std::min(behind.size(), path.size()));
    return parse_number<std::uint32_t>(path);
}

}  // namespace

const char* host_netns_path() {
    const auto init = open_proc_file(1, ProcFile::net);
    const int err = init ? 0 : init.error().err;
    const bool kept_from_us = err == EACCES || err == EPERM || err == ENOENT;
    return kept_from_us ? "/proc/thread-self/ns/net" : "/proc/1/ns/net";
}

Result<std::uint32_t> netns_inode_of(std::uint32_t pid) {
    struct stat status{};
    const auto path = fmt::format("/proc/{}/ns/net", pid);
    if (stat(path.c_str(), &status) != 0) {
        if (errno != EACCES && errno != EPERM) return fail_errno(errno, "look at " + path);
        KSMS_TRY(const auto fd, open_proc_file(pid, ProcFile::net));
        if (fstat(fd.get(), &status) != 0) return fail_errno(errno, "look at " + path);
    }
    return static_cast<std::uint32_t>(status.st_ino);
}

bool has_process_ended(std::uint32_t pid) {
    struct stat status{};
    return stat(fmt::format("/proc/{}", pid).c_str(), &status) != 0 && errno == ENOENT;
}

Result<Fd> open_netns_file(const std::string& path) {
    if (const auto pid = process_of(path)) return open_proc_file(*pid, ProcFile::net);
    // O_PATH first: opening a device or a pipe could have side effects.
    const Fd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) return fail_errno(errno, "open " + path);
    struct statfs filesystem{};
    if (fstatfs(place.get(), &filesystem) != 0) return fail_errno(errno, "look at " + path);
    if (filesystem.f_type != NSFS_MAGIC) return fail(Code::not_found, path + " is no namespace");
    Fd fd(::open(fmt::format("/proc/self/fd/{}", place.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "open " + path);
    return fd;
}

}  // namespace ksms
