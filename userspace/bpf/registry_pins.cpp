// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/registry_pins.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/group.hpp"
#include "bpf/attach.hpp"
#include "bpf/install.hpp"
#include "bpf/open_map.hpp"
#include "bpf/version.hpp"

namespace ksms {

namespace {

struct Opened {
    const char* name;
    mode_t mode;
};
// What the group may open. Everything else is for root. Running a program needs write permission on
// its pin.
constexpr std::array kOpened{Opened{"leases", 0640},   Opened{"waiters", 0640},
                             Opened{"registry", 0640}, Opened{"answers", 0640},
                             Opened{"limits", 0640},   Opened{"ksms_lease", 0660}};

Status give(const std::string& path, gid_t group, mode_t mode) {
    struct stat now{};
    if (stat(path.c_str(), &now) != 0) return fail_errno(errno, "look at " + path);
    if (now.st_gid == group && (now.st_mode & 0777) == mode) return {};
    if (chown(path.c_str(), static_cast<uid_t>(-1), group) != 0 || chmod(path.c_str(), mode) != 0)
        return fail_errno(errno, fmt::format("open {} to the group {}", path, kGroup));
    return {};
}

std::unexpected<Error> not_for_you(const PinRoot& root) {
    return fail(
        Code::not_allowed,
        fmt::format("the registry under {} is for root and the group {}", root.path, kGroup),
        fmt::format("run it as root (sudo), or become a member of {} (`sudo ksmsctl doctor` "
                    "says whether its members can reach {})",
                    kGroup, root.path));
}

/// @param protects  a mode bit with which write permission for others is harmless
Status is_roots(const std::string& path, const struct stat& status, mode_t protects,
                const std::string& remedy) {
    if (status.st_uid != 0)
        return fail(Code::not_allowed,
                    fmt::format("{} is the user {}'s, not root's", path, status.st_uid), remedy);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & protects) != 0) return {};
    return fail(Code::not_allowed,
                fmt::format("{} may be written by others than root (mode {:04o})", path,
                            status.st_mode & 07777),
                fmt::format("`chmod go-w {}` as root, if you trust what is pinned there", path));
}

/// Before other maps are opened, whose sizes may differ in another version.
Status check_version(const PinRoot& root) {
    Map<std::uint32_t, ksms_registry> map;
    KSMS_CHECK(open_typed(root.path, "registry", map, true));
    KSMS_TRY(const auto figures, map.lookup(0));
    if (figures && figures->abi == KSMS_ABI_VERSION) return {};
    return other_version(root, figures ? figures->abi : 0);
}

Result<RegistryPins> open_checked(const PinRoot& root) {
    KSMS_CHECK(check_root(root));
    KSMS_CHECK(check_version(root));
    return RegistryPins::open_installed(root, true);
}

Result<RegistryPins> open_as_member(const PinRoot& root) {
    auto pins = open_checked(root);
    if (!pins && pins.error().err == EACCES) return not_for_you(root);
    if (!pins && pins.error().code == Code::not_found)
        return fail(Code::not_found, "nothing is installed under " + root.path,
                    "`sudo ksmsctl registry list` installs it");
    return pins;
}

}  // namespace

Status check_root(const PinRoot& root) {
    struct stat status{};
    if (lstat(root.path.c_str(), &status) != 0)
        return errno == ENOENT ? Status() : fail_errno(errno, "look at " + root.path);
    const auto remedy = fmt::format(
        "whoever made it decides what is pinned there; as root: `rm -r {}`, or name another "
        "--pin-root",
        root.path);
    if (!S_ISDIR(status.st_mode))
        return fail(Code::not_allowed, root.path + " is no directory", remedy);
    KSMS_CHECK(is_roots(root.path, status, 0, remedy));
    const auto parent = root.path.substr(0, std::max<std::size_t>(root.path.rfind('/'), 1));
    if (stat(parent.c_str(), &status) != 0) return fail_errno(errno, "look at " + parent);
    // In a sticky directory only root can rename what root owns.
    return is_roots(parent, status, S_ISVTX, "name another --pin-root");
}

Status open_to_group(const std::string& path) {
    KSMS_TRY(const auto group, find_group(kGroup));
    if (!group) return {};
    for (const auto& [name, mode] : kOpened) {
        const auto given = give(path + "/" + name, *group, mode);
        if (!given && given.error().err != ENOENT) return given;
    }
    // Last: once the directory is open, the pins must be complete.
    return give(path, *group, 0750);
}

Result<RegistryPins> RegistryPins::open_installed(const PinRoot& root, bool read_only) {
    RegistryPins pins;
    KSMS_CHECK(open_typed(root.path, "registry", pins.figures, read_only));
    KSMS_CHECK(open_typed(root.path, "leases", pins.leases, read_only));
    KSMS_CHECK(open_typed(root.path, "waiters", pins.waiters, read_only));
    KSMS_CHECK(open_typed(root.path, "limits", pins.limits, read_only));
    KSMS_TRY(pins.answers, open_pin(root.path + "/answers", true));
    KSMS_TRY(pins.program, open_pin(root.path + "/ksms_lease"));
    if (!read_only) KSMS_CHECK(open_typed(root.path, "owners", pins.owners));
    return pins;
}

Result<RegistryPins> RegistryPins::open(const PinRoot& root, Missing missing) {
    if (geteuid() == 0) {
        KSMS_TRY(const bool unwatched, ensure_installed(root, missing == Missing::install));
        KSMS_CHECK(open_to_group(root.path));
        auto pins = open_installed(root, false);
        if (pins) pins->unwatched.set(unwatched);
        if (pins || pins.error().code != Code::not_found) return pins;
        return fail(Code::failed, pins.error().message,
                    "`ksmsctl registry check --repair` finds what it named");
    }
    return open_as_member(root);
}

}  // namespace ksms
