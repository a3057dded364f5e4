// SPDX-License-Identifier: BSD-2-Clause
// All operations at the same time, directly on the BPF program: no DSCP and no job ever has two
// holders, and no call is refused while there is a DSCP for each process.
#include <sys/mman.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <random>
#include <string_view>

#include "bpf/attach.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

constexpr int kRacers = 8, kRounds = 3000;
constexpr std::uint64_t kAllowed = 0xffull << 32;  // as many DSCPs as processes
constexpr int kAttempts = 1'000'000;

/// Who holds what in the processes' view; PIDs, 0 for nobody.
struct Beliefs {
    int dscp[KSMS_DSCPS], job[KSMS_DSCPS];
    long wrong, refused, done;
};

void count(long& figure) {
    __atomic_add_fetch(&figure, 1, __ATOMIC_SEQ_CST);
}

class Contender {
public:
    Contender(const Objects& objects, Beliefs& beliefs, int jobs)
        : program_(objects.registry.program.get()),
          beliefs_(beliefs),
          jobs_(jobs),
          random_(static_cast<unsigned>(getpid())) {}

    void round() {
        const int job = static_cast<int>(random_()) & (jobs_ - 1);
        auto lease = ask(job);
        if (lease.result == EUSERS) return;
        if (lease.result == EBUSY) return count(beliefs_.refused);
        expect(lease, 0);
        believe(beliefs_.dscp[lease.dscp]);
        believe(beliefs_.job[job]);
        keep(lease, job);
        beliefs_.dscp[lease.dscp] = 0;
        __atomic_store_n(&beliefs_.job[job], 0, __ATOMIC_SEQ_CST);
        give_back(lease);
        count(beliefs_.done);
    }

private:
    ksms_registry_call transact(ksms_registry_call call) {
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            auto copy = call;
            if (!call_program(program_, &copy, sizeof copy)) break;
            if (copy.result != EAGAIN) return copy;
            sched_yield();
        }
        count(beliefs_.wrong);
        return call;
    }
    ksms_registry_call transact(ksms_registry_call lease, ksms_registry_op op) {
        lease.op = op;
        lease.result = EAGAIN;
        lease.ttl_ns = lease.request.ttl_ns;
        lease.owner_pid = lease.request.owner_pid;
        lease.owner_start = lease.request.owner_start;
        return transact(lease);
    }
    ksms_registry_call ask(int job) {
        ksms_registry_call call{};
        call.op = KSMS_OP_ALLOCATE;
        call.request.allowed = kAllowed;
        call.request.user[0] = 'u';
        call.request.ttl_ns = 3600'000'000'000;
        call.request.job[0] = 'j';
        call.request.job[1] = static_cast<char>('A' + job);
        return transact(call);
    }
    void expect(const ksms_registry_call& call, std::uint32_t result) {
        if (call.result != result) count(beliefs_.wrong);
    }
    void believe(int& holder) {
        if (__atomic_exchange_n(&holder, getpid(), __ATOMIC_SEQ_CST) != 0) count(beliefs_.wrong);
    }
    void keep(ksms_registry_call& lease, int job) {
        for (auto times = random_() % 4; times > 0; --times) {
            const auto seen_before = lease;
            lease = transact(lease, KSMS_OP_RENEW);
            expect(lease, 0);
            expect(transact(seen_before, KSMS_OP_REAP), ESTALE);
        }
        const auto again = ask(job);
        expect(again, EEXIST);
        if (again.dscp != lease.dscp || again.generation != lease.generation) count(beliefs_.wrong);
    }
    void give_back(const ksms_registry_call& lease) {
        expect(transact(lease, random_() % 2 == 0 ? KSMS_OP_RELEASE : KSMS_OP_REAP), 0);
        const auto late = transact(lease, KSMS_OP_RELEASE).result;
        if (late != ENOENT && late != ESTALE) count(beliefs_.wrong);
    }

    int program_;
    Beliefs& beliefs_;
    int jobs_;
    std::minstd_rand random_;
};

/// A process that renews a lease in a loop until it is killed.
class Renewer {
public:
    Renewer(const RegistryBench& bench, const Lease& lease) : pid_(fork()) {
        while (pid_ == 0)
            if (!bench.registry.renew(lease.dscp, lease.generation, std::chrono::hours(1)))
                _exit(1);
    }
    Renewer(const Renewer&) = delete;
    Renewer& operator=(const Renewer&) = delete;
    ~Renewer() {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

private:
    pid_t pid_;
};

}  // namespace

TEST_CASE("registry: eight processes allocate, renew, reap and release at once") {
    const RegistryBench bench;
    const int jobs = GENERATE(2, 4, 32);
    CAPTURE(jobs);
    auto* beliefs = static_cast<Beliefs*>(
        mmap(nullptr, sizeof(Beliefs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    REQUIRE(beliefs != MAP_FAILED);
    std::vector<pid_t> children;
    for (int process = 0; process < kRacers; ++process) {
        const pid_t pid = fork();
        if (pid == 0) {
            Contender contender(bench.objects, *beliefs, jobs);
            for (int round = 0; round < kRounds; ++round) contender.round();
            _exit(0);
        }
        children.push_back(pid);
    }
    for (const auto pid : children) waitpid(pid, nullptr, 0);
    CHECK(beliefs->wrong == 0);
    CHECK(beliefs->refused == 0);
    // The kernel's scheduling decides how many rounds find their job taken.
    CHECK(beliefs->done > kRounds / 10);
    CHECK(value(bench.registry.list()).empty());
    munmap(beliefs, sizeof(Beliefs));
}

TEST_CASE("registry: a lease is visible while it is being renewed") {
    const RegistryBench bench;
    const auto lease = value(bench.registry.allocate(RegistryBench::request("renewed")));
    const Renewer renewer(bench, lease);
    ksms_registry_call ask{};
    ask.op = KSMS_OP_ALLOCATE;
    ask.owner_kind = KSMS_OWNER_NONE;
    ask.request.allowed = kAllowed;
    ask.request.user[0] = 'u';
    ask.request.ttl_ns = 1;
    std::ranges::copy(std::string_view("renewed"), ask.request.job);
    int told = 0, busy = 0;
    for (int round = 0; round < 50'000; ++round) {
        auto call = ask;
        REQUIRE(call_program(bench.objects.registry.program.get(), &call, sizeof call));
        told += call.result == EUSERS ? 1 : 0;
        busy += call.result == EAGAIN ? 1 : 0;
    }
    CHECK(told + busy == 50'000);
    CHECK(told > 0);
    CHECK(value(bench.registry.find_job("renewed")).expires_ns > lease.record.expires_ns);
    for (int round = 0; round < 500; ++round) REQUIRE(value(bench.registry.list()).size() == 1);
}
