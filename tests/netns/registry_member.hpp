// SPDX-License-Identifier: BSD-2-Clause
// A member of the group `ksms` as the registry sees it: a descriptor of the program, and a UID
// other than root's. The arguments are arbitrary.
#pragma once

#include <grp.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/attach.hpp"
#include "registry_bench.hpp"

namespace ksms::lab {

inline constexpr uid_t kMember = 4000, kOther = 4001;
inline constexpr std::uint64_t kEvery = ~std::uint64_t{0};
inline constexpr std::uint64_t kMembers = 0x0fff'ffffull
                                          << 32;  // 32 to 59: four are reserved for root

inline ksms_registry_call asking(std::string_view job,
                                 std::uint64_t ttl = in_ns(std::chrono::minutes(1))) {
    ksms_registry_call call{};
    call.op = KSMS_OP_ALLOCATE;
    call.owner_kind = KSMS_OWNER_NONE;
    call.request.allowed = kEvery;
    call.request.ttl_ns = ttl;
    job.copy(call.request.job, sizeof call.request.job);
    std::strcpy(call.request.user, "mallory");
    return call;
}
inline ksms_registry_call waiting(std::string_view job) {
    auto call = asking(job);
    call.may_wait = 1;
    return call;
}

/// Repeats the call while it returns EAGAIN.
inline std::uint32_t ask(const RegistryBench& bench, ksms_registry_call& call) {
    const auto before = call;
    do {
        call = before;
        if (!call_program(bench.objects.registry.program.get(), &call, sizeof call)) return ENOSYS;
    } while (call.result == EAGAIN);
    return call.result;
}
inline std::uint32_t ask(const RegistryBench& bench, ksms_registry_call&& call) {
    return ask(bench, call);
}

inline void become(uid_t user) {
    if (setgroups(0, nullptr) != 0 || setgid(user) != 0 || setuid(user) != 0) _exit(200);
}

/// Runs a function in a process of a user; returns its exit status, below 200.
template <typename Deed>
std::uint32_t as(uid_t user, const Deed& deed) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        become(user);
        _exit(static_cast<int>(deed()));
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    return static_cast<std::uint32_t>(WEXITSTATUS(status));
}

/// A process of a user that runs a function and stays alive.
class Member : public Owner {
public:
    template <typename Deed>
    Member(uid_t user, const Deed& deed)
        : Owner([&] {
              become(user);
              deed();
          }) {}
};

/// Processes of a user that repeat a function until the end of the scope.
class Hammer {
public:
    template <typename Deed>
    Hammer(uid_t user, int number, const Deed& deed) {
        for (int i = 0; i < number; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                become(user);
                while (true) deed(i);
            }
            pids_.push_back(pid);
        }
    }
    Hammer(const Hammer&) = delete;
    Hammer& operator=(const Hammer&) = delete;
    ~Hammer() {
        for (const auto pid : pids_) ::kill(pid, SIGKILL);
        for (const auto pid : pids_) waitpid(pid, nullptr, 0);
    }

private:
    std::vector<pid_t> pids_;
};

/// How many of these consecutive calls got this result.
inline std::size_t count_of(const RegistryBench& bench, int calls, std::uint32_t result,
                            bool may_wait) {
    std::size_t count = 0;
    for (int i = 0; i < calls; ++i) {
        auto call = asking("m" + std::to_string(getpid()) + "." + std::to_string(i));
        call.may_wait = may_wait ? 1 : 0;
        count += ask(bench, call) == result ? 1 : 0;
    }
    return count;
}

inline ksms_registry_call release_of(const ksms_registry_call& lease) {
    auto call = lease;
    call.op = KSMS_OP_RELEASE;
    return call;
}

}  // namespace ksms::lab
