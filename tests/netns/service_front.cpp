// SPDX-License-Identifier: BSD-2-Clause
// Who speaks HTTP may do nothing else, and can fall without anybody's job falling with it.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/fd.hpp"
#include "lab/chain.hpp"
#include "lab/service.hpp"
#include "lab/users.hpp"
#include "lab/wait.hpp"
#include "sanitized.hpp"

namespace {

using namespace ksms::lab;

std::uint64_t capabilities(pid_t pid, const std::string& set) {
    return std::strtoull(status_line(pid, set).c_str(), nullptr, 16);
}

/// Gone, or waiting for nobody but its parent.
bool is_over(pid_t pid) {
    const auto state = status_line(pid, "State");
    return state.empty() || state.starts_with("Z");
}

}  // namespace

TEST_CASE("service: the process that speaks HTTP has no capability, workers have six") {
    SKIP_IF_SANITIZED();
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    REQUIRE(eventually([&] { return service.front() > 0 && !service.workers().empty(); }));
    const auto front = service.front();
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
        INFO(set);
        CHECK(capabilities(front, set) == 0);
    }
    std::uint64_t needed = 0;
    for (const int one :
         {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE})
        needed |= std::uint64_t{1} << one;
    auto all = service.workers();
    all.push_back(service.pid());
    for (const pid_t pid : all) {
        INFO(status_line(pid, "Name"));
        CHECK(capabilities(pid, "CapPrm") == needed);
        CHECK(capabilities(pid, "CapBnd") == needed);
        CHECK(status_line(pid, "NoNewPrivs") == "1");
        CHECK(status_line(pid, "Seccomp") == "2");
    }
    CHECK(status_line(front, "NoNewPrivs") == "1");
    CHECK(status_line(front, "Seccomp") == "2");
    CHECK(status_line(front, "Threads") == "1");
    // With that a job runs, and its rule is found with nft and iptables.
    const auto done = service.job(submit(lab, "22,23", {"--wait", "-q", "--type", "detailed"}));
    INFO(done.err);
    CHECK(done.exit == 0);
    CHECK(service.stop().exit == 0);
    CHECK(is_over(front));
}

TEST_CASE("service: the process that speaks HTTP falls, and jobs go on") {
    SKIP_IF_SANITIZED();
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    REQUIRE(service.job(submit(lab, "1-40", {"--id", "slow", "--rate", "5"})).exit == 0);
    REQUIRE(eventually([&] { return service.state_of("slow") == "running"; }));
    const auto first = service.front();
    // One that waits for the job loses its connection, not the job.
    const auto waits = service.begin_job({"wait", "slow", "-q"});
    REQUIRE(eventually([&] { return service.metric("ksms_http_event_streams") == 1; }));
    REQUIRE(::kill(first, SIGSEGV) == 0);
    CHECK(waits->wait().exit == 1);
    REQUIRE(eventually([&] { return service.front() > 0 && service.front() != first; }));
    CHECK(service.job({"wait", "slow", "-q"}).exit == 0);
    CHECK(service.job_json({"show", "slow"})["state"] == "done");
    CHECK(service.metric("ksms_http_restarts_total") == 1);
    CHECK(service.log().find("the HTTP process has ended (signal 11): started again") !=
          std::string::npos);
    CHECK(service.stop().exit == 0);
}

TEST_CASE("service: signals to the whole group are ksmsd's affair") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start();
    const auto front = service.front();
    REQUIRE(front > 0);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) REQUIRE(::kill(front, number) == 0);
    CHECK(service.get("/healthz")["status"] == "ok");
    service.signal(SIGINT);
    ::kill(front, SIGINT);
    CHECK(service.wait().exit == 0);
    const auto log = service.log();
    INFO(log);
    CHECK(log.find("started again") == std::string::npos);
}

TEST_CASE("service: what whoever started ksmsd left open stays with ksmsd") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    std::array<int, 2> pipe{};
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    const ksms::Fd reader(pipe[0]), writer(pipe[1]);
    const auto target = [](const std::string& path) {
        std::error_code none;
        return std::filesystem::read_symlink(path, none).string();
    };
    const auto ours = target(fmt::format("/proc/self/fd/{}", writer.get()));
    const auto holds = [&](pid_t pid) {
        const std::filesystem::directory_iterator open(fmt::format("/proc/{}/fd", pid));
        return std::any_of(begin(open), end(open),
                           [&](const auto& entry) { return target(entry.path()) == ours; });
    };
    // The second one: in the place of the first a child has its own.
    service.start({.before = {},
                   .environment = {},
                   .descriptors = {reader.get(), reader.get(), writer.get()}});
    REQUIRE(eventually([&] { return service.front() > 0 && !service.workers().empty(); }));
    REQUIRE(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    CHECK(holds(service.pid()));
    CHECK_FALSE(holds(service.front()));
    for (const auto worker : service.workers()) CHECK_FALSE(holds(worker));
}

TEST_CASE("service: a request that is long when it is written anew falls nobody") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start();
    const auto front = service.front();
    std::string numbers;
    while (numbers.size() < 1'000'000) numbers += "1e14,";
    const auto file = lab.directory() + "/body";
    std::ofstream(file) << R"({"x":[)" << numbers << "0]}";
    CHECK(
        service
            .curl("/v1/jobs", {"-H", "Content-Type: application/json", "--data-binary", "@" + file})
            .find(" 400 ") != std::string::npos);
    CHECK(service.front() == front);
    CHECK(service.metric("ksms_http_restarts_total") == 0);
}

TEST_CASE("service: the process that speaks HTTP goes with ksmsd") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start();
    const auto front = service.front();
    REQUIRE(front > 0);
    service.kill();
    CHECK(eventually([&] { return is_over(front); }));
}
