// SPDX-License-Identifier: BSD-2-Clause
// What the registry costs: a table in Markdown. Needs root; leaves nothing. For scripts/bench.
#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/clock.hpp"
#include "bpf/install.hpp"
#include "bpf/objects.hpp"
#include "registry/registry.hpp"

namespace {

using namespace ksms;

constexpr int kPairs = 40'000, kRuns = 5, kKills = 200, kForks = 500;

template <typename T>
T must(Result<T> result) {
    if (result) return std::move(*result);
    fmt::print(stderr, "registry_bench: {}\n", result.error().text());
    std::exit(1);
}

struct Quantiles {
    double median, p99, p999;
};

Quantiles quantiles(std::vector<std::uint64_t> ns) {
    std::ranges::sort(ns);
    const auto at = [&](double part) {
        return static_cast<double>(ns[static_cast<std::size_t>(part * double(ns.size() - 1))]) /
               1e3;
    };
    return {at(0.5), at(0.99), at(0.999)};
}

LeaseRequest request(const std::string& job) {
    LeaseRequest result;
    result.job = job;
    result.user = "bench";
    result.owner = must(this_process());
    return result;
}

/// Allocates and releases; the time that each allocation took.
std::vector<std::uint64_t> pairs(const Registry& registry, int count) {
    const auto asked = request(fmt::format("bench-{}", getpid()));
    std::vector<std::uint64_t> took;
    took.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        const auto from = monotonic_ns();
        const auto lease = must(registry.allocate(asked));
        took.push_back(monotonic_ns() - from);
        must(registry.release(lease.dscp, lease.generation));
    }
    return took;
}

double per_second(int count, std::uint64_t ns) {
    return count * 1e9 / static_cast<double>(ns);
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void one_process(const Registry& registry, const char* whose) {
    std::vector<double> rates;
    std::vector<std::uint64_t> all;
    for (int run = 0; run < kRuns; ++run) {
        const auto from = monotonic_ns();
        const auto took = pairs(registry, kPairs);
        rates.push_back(per_second(kPairs, monotonic_ns() - from));
        all.insert(all.end(), took.begin(), took.end());
    }
    const auto at = quantiles(std::move(all));
    fmt::print("| allocate and release, one process of {} | {:.0f} pairs a second |\n", whose,
               median(rates));
    fmt::print("| one allocation | median {:.1f} µs, 99 % {:.1f} µs, 99.9 % {:.1f} µs |\n",
               at.median, at.p99, at.p999);
}

/// Has root's descriptors, but not its rights.
void one_member(const Registry& registry) {
    const auto child = fork();
    if (child == 0) {
        constexpr uid_t kNobody = 65534;
        if (setgroups(0, nullptr) != 0 || setuid(kNobody) != 0) _exit(1);
        one_process(registry, "a member");
        std::fflush(stdout);
        _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) std::exit(1);
}

void processes(const Registry& registry, int number) {
    std::vector<double> rates;
    for (int run = 0; run < kRuns; ++run) {
        const auto from = monotonic_ns();
        for (int i = 0; i < number; ++i) {
            if (fork() != 0) continue;
            pairs(registry, kPairs / number);
            _exit(0);
        }
        bool failed = false;
        for (int status = 0; wait(&status) > 0;) failed |= status != 0;
        if (failed) std::exit(1);
        rates.push_back(per_second(kPairs, monotonic_ns() - from));
    }
    fmt::print("| allocate and release, {} processes | {:.0f} pairs a second in all |\n", number,
               median(rates));
}

void killed(const Registry& registry) {
    std::vector<std::uint64_t> took;
    for (int i = 0; i < kKills; ++i) {
        int ends[2];
        if (pipe(ends) != 0) std::exit(1);
        const auto child = fork();
        if (child == 0) {
            must(registry.allocate(request("killed")));
            [[maybe_unused]] const auto told = write(ends[1], "x", 1);
            while (true) pause();
        }
        char byte = 0;
        [[maybe_unused]] const auto got = read(ends[0], &byte, 1);
        const auto lease = must(registry.find_job("killed"));
        const auto from = monotonic_ns();
        kill(child, SIGKILL);
        while (must(registry.holds(static_cast<std::uint8_t>(lease.dscp), lease.state >> 8))) {
        }
        took.push_back(monotonic_ns() - from);
        waitpid(child, nullptr, 0);
        close(ends[0]);
        close(ends[1]);
    }
    const auto at = quantiles(std::move(took));
    fmt::print("| from kill -9 to free | median {:.0f} µs, 99 % {:.0f} µs |\n", at.median, at.p99);
}

double fork_and_exit() {
    const auto from = monotonic_ns();
    for (int i = 0; i < kForks; ++i) {
        const auto child = fork();
        if (child == 0) _exit(0);
        waitpid(child, nullptr, 0);
    }
    return static_cast<double>(monotonic_ns() - from) / kForks;
}

/// In turns, so that what else the machine does meets both.
void exit_hook(const PinRoot& root) {
    std::vector<double> with, without;
    for (int run = 0; run < 2 * kRuns; ++run) {
        with.push_back(fork_and_exit());
        std::filesystem::remove(root.path + "/exit_hook");
        without.push_back(fork_and_exit());
        must(ensure_exit_hook(root));
    }
    fmt::print(
        "| fork and exit of a process without a lease | {:.0f} ns with the exit hook, {:.0f} "
        "without |\n",
        median(with), median(without));
}

}  // namespace

int main() {
    setlinebuf(stdout);
    const PinRoot root{fmt::format("/sys/fs/bpf/ksms_bench_{}", getpid())};
    {
        const auto objects = must(Objects::open(root));
        const Registry registry(objects.registry, RegistryLimits{});
        fmt::print("| registry | |\n| --- | --- |\n");
        one_process(registry, "root");
        one_member(registry);
        processes(registry, 8);
        killed(registry);
        exit_hook(root);
    }
    return uninstall(root) ? 0 : 1;
}
