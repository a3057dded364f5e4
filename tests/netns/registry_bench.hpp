// SPDX-License-Identifier: BSD-2-Clause
// A private registry for one test, and processes that hold leases in it.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "bpf/objects.hpp"
#include "guard_actor.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/lab.hpp"
#include "lab/wait.hpp"
#include "registry/registry.hpp"

namespace ksms::lab {

class RegistryBench {
public:
    RegistryBench()
        : objects(value(Objects::open(PinRoot{lab.pin_root()}))),
          registry(objects.registry, RegistryLimits{}) {
        ok(set_limits(objects.registry, RegistryLimits{}));
    }
    Lab lab;
    Objects objects;
    Registry registry;

    [[nodiscard]] static LeaseRequest request(const std::string& job) {
        LeaseRequest result;
        result.job = job;
        result.user = "tester";
        result.owner = value(this_process());
        return result;
    }
};

/// A process that runs a function and then waits to be killed.
class Owner {
public:
    explicit Owner(const std::function<void()>& deed) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        pid_ = fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            close(ends[0]);
            try {
                deed();
            } catch (...) {
                _exit(1);
            }
            [[maybe_unused]] const auto told = write(ends[1], "x", 1);
            while (true) pause();
        }
        close(ends[1]);
        char byte = 0;
        const auto got = read(ends[0], &byte, 1);
        close(ends[0]);
        REQUIRE(got == 1);
    }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    ~Owner() { kill(); }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_{-1};
};

inline Outcome ksmsctl_run(const Lab& lab, const std::vector<std::string>& arguments) {
    return run(ksmsctl(lab, arguments));
}

}  // namespace ksms::lab
