// SPDX-License-Identifier: BSD-2-Clause
#include "os/process.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <sstream>
#include <string_view>

#include "base/text.hpp"
#include "os/proc_file.hpp"

namespace ksms {
namespace {

Result<std::string> read_stat(std::uint32_t pid) {
    const auto fd = open_proc_file(pid, ProcFile::stat);
    if (!fd) {
        if (fd.error().err != ENOENT) return std::unexpected(fd.error());
        if (access("/proc/self", F_OK) != 0)
            return fail(Code::failed, "/proc is not mounted: processes cannot be looked at",
                        "mount -t proc proc /proc");
        return fail(Code::not_found, fmt::format("there is no process {}", pid));
    }
    std::array<char, 1024> buffer;
    ssize_t got = 0;
    do {
        got = read(fd->get(), buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ESRCH)
        return fail(Code::not_found, fmt::format("process {} is gone", pid));
    if (got < 0) return fail_errno(errno, fmt::format("read /proc/{}/stat", pid));
    return std::string(buffer.data(), static_cast<std::size_t>(got));
}

std::atomic<std::uint32_t> known_pid{0};

struct NamedCapability {
    int number;
    const char* name;
};

}  // namespace

Result<ProcessId> process_id(std::uint32_t pid) {
    KSMS_TRY(const auto text, read_stat(pid));
    // The name may contain parentheses: the fields begin after the last one.
    const auto close = text.rfind(')');
    if (close == std::string::npos)
        return fail(Code::failed, fmt::format("/proc/{}/stat has no name", pid));
    std::istringstream fields(text.substr(close + 2));
    std::string field;
    for (int number = 3; fields >> field; ++number) {
        if (number == 3 && (field == "Z" || field == "X"))
            return fail(Code::not_found, fmt::format("process {} has ended", pid));
        if (number == 22) {
            const auto start = parse_number<std::uint64_t>(field);
            if (start) return ProcessId{pid, *start};
            break;
        }
    }
    return fail(Code::failed, fmt::format("/proc/{}/stat has no start time", pid));
}

Result<ProcessId> this_process() {
    return process_id(current_pid());
}

std::uint32_t current_pid() {
    const auto known = known_pid.load(std::memory_order_relaxed);
    if (known != 0) return known;
    // Registered before the PID is cached, so that no child uses the cached PID.
    static const bool forgotten_by_children = pthread_atfork(nullptr, nullptr, [] {
                                                  known_pid.store(0, std::memory_order_relaxed);
                                              }) == 0;
    const auto pid = static_cast<std::uint32_t>(getpid());
    if (forgotten_by_children) known_pid.store(pid, std::memory_order_relaxed);
    return pid;
}

bool is_alive(const ProcessId& process) {
    const auto now = process_id(process.pid);
    if (now) return now->start == process.start;
    return now.error().code != Code::not_found;
}

bool in_initial_pid_namespace() {
    // PROC_PID_INIT_INO; since Linux 6.18 linux/nsfs.h has it as PID_NS_INIT_INO.
    constexpr ino_t initial = 0xEFFFFFFC;
    static const bool here = [] {
        struct stat status{};
        return stat("/proc/self/ns/pid", &status) != 0 || status.st_ino == initial;
    }();
    return here;
}

std::string user_name() {
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
        return entry.pw_name;
    return fmt::format("uid:{}", getuid());
}

bool has_capability(int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) return false;
    const auto index = static_cast<std::size_t>(capability / 32);
    return (data.at(index).effective >> (capability % 32) & 1u) != 0;
}

Status require_capabilities(const std::string& what) {
    static constexpr NamedCapability needed[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                                 {CAP_NET_RAW, "CAP_NET_RAW"},
                                                 {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
                                                 {CAP_BPF, "CAP_BPF"},
                                                 {CAP_PERFMON, "CAP_PERFMON"}};
    std::string missing;
    for (const auto& [number, name] : needed) {
        if (has_capability(number)) continue;
        if (!missing.empty()) missing += ", ";
        missing += name;
    }
    if (missing.empty()) return {};
    return fail(Code::not_allowed, fmt::format("{} needs {}", what, missing),
                "run it as root (sudo)");
}

}  // namespace ksms
