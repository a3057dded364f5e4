// SPDX-License-Identifier: BSD-2-Clause
// ksmsd where the machine has not enough of something: a full or damaged disk, descriptors, memory,
// DSCPs.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/service.hpp"
#include "sanitized.hpp"

namespace {

using namespace ksms::lab;
using ksms::Fd;
using nlohmann::json;

/// A check of the health report.
json check(const Service& service, const std::string& name) {
    const auto health = service.get("/healthz");
    for (const auto& each : health["checks"])
        if (each["name"] == name) return each;
    return {{"ok", nullptr}};
}

std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
}

/// Writes until there is no room, to the last byte.
void fill(const std::string& file) {
    const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::string zeros(65536, 0);
    for (std::size_t size = zeros.size(); size > 0;)
        if (::write(fd.get(), zeros.data(), size) <= 0) size /= 2;
}

/// The soft limit of the workers that there are now; 0: as high as the hard one. A worker that
/// comes back from a job takes the next one.
void limit_workers(const Service& service, __rlimit_resource what, rlim_t most) {
    for (const auto pid : service.workers()) {
        rlimit limit{};
        REQUIRE(::prlimit(pid, what, nullptr, &limit) == 0);
        limit.rlim_cur = most == 0 ? limit.rlim_max : most;
        REQUIRE(::prlimit(pid, what, &limit, nullptr) == 0);
    }
}

}  // namespace

TEST_CASE("service: a full disk") {
    Lab lab;
    build_chain(lab, {.destination = false});
    const auto state = lab.directory() + "/state";
    std::filesystem::create_directory(state);
    Service service(lab);
    service.start({.before = fmt::format("mount -t tmpfs -o size=1m,mode=0700 ksmst {}", state),
                   .environment = {},
                   .descriptors = {}});
    const auto ballast = fmt::format("/proc/{}/root{}/ballast", service.pid(), state);
    REQUIRE(service.job(submit(lab, "22", {"--id", "before", "--wait", "-q"})).exit == 0);
    // One service a second: it runs into the full disk.
    REQUIRE(service.job(submit(lab, "1-6", {"--id", "runs", "--rate", "1"})).exit == 0);
    REQUIRE(eventually([&] { return service.state_of("runs") == "running"; }));
    fill(ballast);

    // What room its files still have is used up first.
    std::vector<std::string> taken;
    Outcome refused;
    for (int i = 0; i < 400 && refused.exit <= 0; ++i) {
        const auto id = fmt::format("more-{}", i);
        refused = service.job(submit(lab, "22", {"--id", id}));
        if (refused.exit == 0) taken.push_back(id);
    }
    INFO(taken.size() << " were taken; " << refused.err);
    REQUIRE(refused.exit == 1);
    CHECK(refused.err.find("No space left on device") != std::string::npos);
    CHECK(refused.err.find("make room") != std::string::npos);
    const json body{{"id", "refused"},
                    {"source", chain_source(lab, 4)},
                    {"destination", chain_destination(lab, 4)},
                    {"services", "22"}};
    const auto answer = service.curl("/v1/jobs", {"--json", body.dump()});
    CHECK(answer.starts_with("HTTP/1.1 503"));
    CHECK(answer.find("Retry-After") != std::string::npos);
    CHECK(service.job({"show", "refused"}).exit == 5);

    // Whatever runs or was taken ends, and its result is there.
    CHECK(service.job({"wait", "runs", "-q"}).exit == 0);
    for (const auto& id : taken) {
        INFO(id);
        CHECK(service.job({"wait", id, "-q"}).exit == 0);
    }
    const auto runs = service.job_json({"show", "runs"});
    CHECK(runs["state"] == "done");
    CHECK(runs["result"]["summary"]["services"] == 6);
    const auto health = service.get("/healthz");
    INFO(health.dump());
    CHECK(health["status"] == "failing");
    CHECK(check(service, "database")["ok"] == false);
    CHECK(check(service, "results")["ok"] == false);
    CHECK(service.curl("/healthz").starts_with("HTTP/1.1 503"));
    CHECK(service.metric("ksms_database_up") == 0);
    CHECK(service.metric("ksms_database_errors_total") > 0);

    // Room again: all is written, without a word from anybody.
    REQUIRE(std::filesystem::remove(ballast));
    CHECK(eventually([&] { return service.metric("ksms_database_up") == 1; }));
    CHECK(service.get("/healthz")["status"] == "ok");
    CHECK(service.job(submit(lab, "22", {"--id", "refused", "--wait", "-q"})).exit == 0);
    // What is on disk says so too, and not its memory alone.
    service.signal(SIGSTOP);
    const auto copy = lab.directory() + "/copy";
    std::filesystem::create_directory(copy);
    for (const char* file : {"jobs.db", "jobs.db-wal"})
        std::filesystem::copy_file(fmt::format("/proc/{}/root{}/{}", service.pid(), state, file),
                                   fmt::format("{}/{}", copy, file));
    service.kill();
    Service next(lab, {{"ksms", {{"state_directory", copy}}}});
    next.start();
    CHECK(next.job_json({"show", "runs"}) == runs);
    for (const auto& id : taken) {
        INFO(id);
        CHECK(next.state_of(id) == "done");
    }
}

TEST_CASE("service: a damaged database") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    std::vector<std::string> ids;
    for (int i = 0; i < 12; ++i) {
        ids.push_back(fmt::format("job-{}", i));
        REQUIRE(service.job(submit(lab, chain_ports(), {"--id", ids.back()})).exit == 0);
    }
    for (const auto& id : ids) REQUIRE(service.job({"wait", id, "-q"}).exit == 0);
    REQUIRE(service.stop().exit == 0);
    const auto file = lab.directory() + "/state/jobs.db";
    {
        // Pages in the middle, written over.
        const auto pages = std::filesystem::file_size(file) / 4096;
        REQUIRE(pages > 12);
        const Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
        const std::string noise(4096, '\x5a');
        for (const auto page : {pages / 2, pages / 2 + 1})
            REQUIRE(::pwrite(fd.get(), noise.data(), noise.size(),
                             static_cast<off_t>(page * 4096)) == 4096);
    }
    service.start();
    const auto aside = file + ".damaged-1";
    const auto command = "`sqlite3 " + aside + " .recover`";
    CHECK(service.log().find("the database was damaged") != std::string::npos);
    CHECK(service.log().find(command) != std::string::npos);
    CHECK(service.get("/healthz")["status"] == "degraded");
    const auto damage = check(service, "database-damage");
    INFO(damage.dump());
    CHECK(damage["ok"] == false);
    CHECK(damage["detail"].get<std::string>().find(aside) != std::string::npos);
    CHECK(damage["hint"].get<std::string>().find(command) != std::string::npos);
    // An empty one is in its place.
    for (const auto& id : ids) CHECK(service.job({"show", id}).exit == 5);
    REQUIRE(service.job(submit(lab, "22", {"--id", "after", "--wait", "-q"})).exit == 0);
    REQUIRE(service.stop().exit == 0);
    // Until somebody has looked at it and took it away.
    service.start();
    CHECK(check(service, "database-damage")["ok"] == false);
    REQUIRE(service.stop().exit == 0);
    REQUIRE(std::filesystem::remove(aside));
    service.start();
    CHECK(service.get("/healthz")["status"] == "ok");
    CHECK(service.state_of("after") == "done");
}

namespace {

/// Four jobs while the workers may have no more than that, and then as much as they like.
void serial_for_a_while(__rlimit_resource what, const std::string& word, rlim_t most,
                        const std::string& ports) {
    Lab lab;
    build_chain(lab);
    Service service(lab, {{"max_parallel_fast_jobs", 2}});
    service.start();
    REQUIRE(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    CHECK(service.metric("ksms_scheduler_degraded") == 0);
    limit_workers(service, what, most);
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) {
        ids.push_back(fmt::format("job-{}", i));
        REQUIRE(service.job(submit(lab, ports, {"--id", ids.back()})).exit == 0);
    }
    CHECK(eventually([&] { return service.metric("ksms_scheduler_degraded") == 1; }));
    const auto status = service.get("/v1/status");
    INFO(status.dump());
    CHECK(status["mode"]["parallel"] == 1);
    CHECK(status["mode"]["why"] == "one job at a time: not enough " + word);
    CHECK(service.get("/healthz")["status"] == "degraded");
    limit_workers(service, what, 0);
    for (const auto& id : ids) {
        INFO(id);
        CHECK(service.job({"wait", id, "-q"}).exit == 0);
        const auto job = service.job_json({"show", id});
        INFO(job.dump());
        REQUIRE(job["state"] == "done");
        CHECK(job["result"]["summary"]["unknown"] == 0);
    }
    // Jobs that end well bring it back, after a quiet time.
    CHECK(eventually([&] {
        CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
        return service.metric("ksms_scheduler_degraded") == 0;
    }));
    CHECK(service.get("/v1/status")["mode"]["parallel"] == 2);
    CHECK(service.metric("ksms_workers_died_total") == 0);
    CHECK(count(service.log(), "one job at a time: not enough " + word) == 1);
    CHECK(service.log().find("as configured again") != std::string::npos);
}

}  // namespace

TEST_CASE("service: too few descriptors make it serial, until there are enough") {
    // Enough to begin a scan.
    serial_for_a_while(RLIMIT_NOFILE, "descriptors", 60, chain_ports());
}

TEST_CASE("service: too little memory makes it serial, until there is enough") {
    SKIP_IF_SANITIZED();
    serial_for_a_while(RLIMIT_AS, "memory", 40UL * 1024 * 1024, "1-4000");
}

TEST_CASE("service: ksmsd's own descriptors are too few for one more worker") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab, {{"max_parallel_fast_jobs", 3}});
    service.start();
    // One for a client, two left: a worker more needs three for a moment.
    rlimit limit{};
    REQUIRE(::prlimit(service.pid(), RLIMIT_NOFILE, nullptr, &limit) == 0);
    limit.rlim_cur = descriptors_of(service.pid()) + 3;
    REQUIRE(::prlimit(service.pid(), RLIMIT_NOFILE, &limit, nullptr) == 0);
    for (const char* id : {"a", "b", "c"})
        REQUIRE(service.job(submit(lab, "1-4", {"--id", id, "--rate", "1"})).exit == 0);
    CHECK(eventually([&] { return service.metric("ksms_scheduler_degraded") == 1; }));
    CHECK(service.get("/v1/status")["mode"]["why"] == "one job at a time: not enough descriptors");
    for (const char* id : {"a", "b", "c"}) {
        INFO(id);
        CHECK(service.job({"wait", id, "-q"}).exit == 0);
    }
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(::prlimit(service.pid(), RLIMIT_NOFILE, &limit, nullptr) == 0);
    CHECK(eventually([&] {
        CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
        return service.metric("ksms_scheduler_degraded") == 0;
    }));
    CHECK(service.stop().exit == 0);
}

TEST_CASE("service: most DSCPs are held, which is said once") {
    Lab lab;
    build_chain(lab);
    Service service(lab, {{"ksms", {{"utilization_warning", 0.5}}}});
    service.start();
    const auto warnings = [&] { return count(service.log(), "DSCPs are held: more than 50 %"); };
    const auto hold = [&](int from, int to) {
        for (int dscp = from; dscp < to; ++dscp)
            REQUIRE(run(ksmsctl(lab, {"registry", "allocate", "--job", fmt::format("held-{}", dscp),
                                      "--no-owner", "--ttl", "600"}))
                        .exit == 0);
    };
    hold(0, 16);
    CHECK(eventually([&] { return service.metric("ksms_lease_utilization_ratio") == 0.5; }));
    CHECK(service.metric("ksms_lease_utilization_warning_ratio") == 0.5);
    CHECK(warnings() == 0);
    hold(16, 20);
    CHECK(eventually([&] { return warnings() == 1; }));
    CHECK(service.metric("ksms_lease_utilization_ratio") >
          service.metric("ksms_lease_utilization_warning_ratio"));
    hold(20, 24);
    CHECK_FALSE(eventually([&] { return warnings() > 1; }, milliseconds{2500}));
    // A job goes its way with what is left.
    CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    for (int dscp = 0; dscp < 12; ++dscp)
        REQUIRE(run(ksmsctl(lab, {"registry", "release", "--job", fmt::format("held-{}", dscp)}))
                    .exit == 0);
    CHECK(eventually(
        [&] { return service.log().find(" DSCPs are held again") != std::string::npos; }));
    CHECK(warnings() == 1);
}
