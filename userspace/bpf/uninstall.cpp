// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/uninstall.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "bpf/keeper.hpp"

namespace ksms {
namespace {

namespace fs = std::filesystem;

Status find_pins(const fs::path& directory, Installed& found) {
    std::error_code error;
    fs::directory_iterator entries(directory, error);
    if (error == std::errc::no_such_file_or_directory) return {};
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
        // Do not follow symbolic links.
        if (entries->symlink_status(error).type() != fs::file_type::directory) {
            found.pins.push_back(entries->path().string());
            continue;
        }
        KSMS_CHECK(find_pins(entries->path(), found));
    }
    if (error) return fail_errno(error.value(), "read the directory " + directory.string());
    found.directories.push_back(directory.string());
    return {};
}

Status remove_pins(const Installed& found) {
    for (const auto& pin : found.pins)
        if (unlink(pin.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove " + pin);
    for (const auto& directory : found.directories)
        if (rmdir(directory.c_str()) != 0 && errno != ENOENT)
            return fail_errno(errno, "remove " + directory);
    return {};
}

}  // namespace

Result<Installed> find_installed(const PinRoot& root) {
    Installed found;
    KSMS_CHECK(find_pins(root.path, found));
    const auto cgroup = keeper_path(root);
    struct stat status{};
    if (cgroup.empty()) return found;
    if (stat(cgroup.c_str(), &status) == 0)
        found.cgroup = cgroup;
    else if (errno != ENOENT)
        return fail_errno(errno, "look at the cgroup " + cgroup);
    return found;
}

Status remove_installed(const PinRoot& root,
                        const std::function<Status(const PinRoot& aside)>& is_free) {
    // The name of an installer's directory, which remove_stale() (install.cpp) cleans up.
    const PinRoot aside{fmt::format("{}_new_{}", root.path, getpid())};
    if (rename(root.path.c_str(), aside.path.c_str()) != 0)
        return fail_errno(errno, "put the pins aside: " + root.path);
    if (auto free = is_free(aside); !free) {
        // EEXIST: another process has installed meanwhile. It has taken over the same maps and does
        // not need these pins.
        if (renameat2(AT_FDCWD, aside.path.c_str(), AT_FDCWD, root.path.c_str(),
                      RENAME_NOREPLACE) != 0 &&
            errno != EEXIST)
            return fail_errno(errno, fmt::format("put the pins back from {}", aside.path));
        return free;
    }
    Installed found;
    KSMS_CHECK(find_pins(aside.path, found));
    KSMS_CHECK(remove_pins(found));
    KSMS_TRY([[maybe_unused]] const bool let, let_go(root));
    return {};
}

}  // namespace ksms
