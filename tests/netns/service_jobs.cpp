// SPDX-License-Identifier: BSD-2-Clause
// ksmsd: jobs of many users through the queue, each with its right answer.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"
#include "lab/service.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

/// What the chain does with a service: how many of its three routers pass it.
std::string expected(const ChainService& service) {
    return service.passes == 3 ? "YES" : "NO";
}

std::vector<std::string> filters_and_links(const Lab& lab) {
    std::vector<std::string> kinds;
    const auto list = json::parse(run(ksmsctl(lab, {"tap", "list", "-j"})).out);
    for (const auto& tap : list["taps"]) kinds.push_back(tap.value("kind", ""));
    return kinds;
}

}  // namespace

TEST_CASE("service: a job answers as a scan does, and keeps its answer") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    const auto plain = scan(lab, chain_source(lab, 4), chain_destination(lab, 4), chain_ports());
    const auto waited = service.job(submit(lab, chain_ports(), {"--id", "one", "--wait", "-j"}));
    INFO(waited.err << waited.out);
    REQUIRE(waited.exit == plain.exit());
    const auto result = json::parse(waited.out);
    REQUIRE(result["schema"] == "ksms.scan/1");
    CHECK(result["job"] == "one");
    for (std::size_t i = 0; i < chain_services().size(); ++i) {
        const auto& of = chain_services()[i];
        INFO(of.port << "/" << of.protocol << ": " << of.how);
        CHECK(result["services"][i]["result"] == expected(of));
        CHECK(result["services"][i]["stopped_at"] == plain.document()["services"][i]["stopped_at"]);
    }
    const auto job = service.job_json({"show", "one"});
    CHECK(job["state"] == "done");
    CHECK(job["result"] == result);
    CHECK(job["started_at"].get<double>() >= job["submitted_at"].get<double>());
    CHECK(job["finished_at"].get<double>() >= job["started_at"].get<double>());
    CHECK(job["dscp"].get<int>() >= 32);
    CHECK(leases(lab) == 0);

    // The same body again is the same job, another one is refused.
    CHECK(service.job(submit(lab, chain_ports(), {"--id", "one"})).out == "one\n");
    const auto other = service.job(submit(lab, "80", {"--id", "one"}));
    CHECK(other.exit == 2);
    CHECK(other.err.find("another job has it") != std::string::npos);

    // What happened to it, from the first event on.
    const auto watched = service.job({"watch", "one", "-j"});
    const auto valid = run({.arguments = {"python3", KSMS_SOURCE_DIR "/tests/schema/validate", "-"},
                            .input = watched.out});
    INFO(watched.out << valid.out << valid.err);
    CHECK(valid.exit == 0);
    std::map<std::string, int> events;
    const auto happened = json::parse(watched.out);
    for (const auto& event : happened["events"])
        if (!event["data"].value("so_far", false)) ++events[event["event"]];
    CHECK(events["state"] == 3);  // queued, running, done
    CHECK(events["verdict"] == static_cast<int>(chain_services().size()));
    CHECK(events["end"] == 1);

    // Text as scan prints it.
    const auto text = service.job({"wait", "one"});
    CHECK(text.exit == 0);
    CHECK(text.out.find("SERVICE") != std::string::npos);
    CHECK(text.out.find("pass, ") != std::string::npos);

    // A restart keeps it.
    CHECK(service.stop().exit == 0);
    service.start();
    CHECK(service.job_json({"show", "one"}) == job);
    CHECK(service.stop().exit == 0);
    CHECK(leases(lab) == 0);
    CHECK(filters_and_links(lab).empty());
}

TEST_CASE("service: forty jobs over the same routers and ports, thirty-two DSCPs") {
    constexpr int kJobs = 40;
    Lab lab;
    build_chain(lab);
    Service service(lab, {{"max_parallel_fast_jobs", 32}});
    service.start();
    const auto& all = chain_services();
    std::vector<std::string> ids;
    for (int number = 0; number < kJobs; ++number) {
        // Every job leaves another service out, so that no two ask the same.
        std::string ports;
        for (std::size_t i = 0; i < all.size(); ++i)
            if (i != static_cast<std::size_t>(number) % all.size())
                ports +=
                    fmt::format("{}{}/{}", ports.empty() ? "" : ",", all[i].port, all[i].protocol);
        ids.push_back(fmt::format("job-{}", number));
        REQUIRE(service.job(submit(lab, ports, {"--id", ids.back()})).exit == 0);
    }
    double last = 0;
    for (int number = 0; number < kJobs; ++number) {
        const auto& id = ids[static_cast<std::size_t>(number)];
        REQUIRE(service.job({"wait", id, "-q"}).exit == 0);
        const auto job = service.job_json({"show", id});
        INFO(id << ": " << job.dump());
        CHECK(job["state"] == "done");
        CHECK(job["started_at"].get<double>() >= last);  // in the order of submission
        last = job["started_at"].get<double>();
        std::size_t at = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (i == static_cast<std::size_t>(number) % all.size()) continue;
            INFO(all[i].port << "/" << all[i].protocol << ": " << all[i].how);
            CHECK(job["result"]["services"][at++]["result"] == expected(all[i]));
        }
    }
    CHECK(leases(lab) == 0);
}

TEST_CASE("service: kill -9 at any moment, and every job has one outcome") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    std::set<std::string> acknowledged;
    service.start();
    for (int round = 0; round < 6; ++round) {
        for (int number = 0; number < 5; ++number) {
            const auto id = fmt::format("r{}-{}", round, number);
            const auto done = service.job(submit(lab, chain_ports(), {"--id", id}));
            if (done.exit == 0) acknowledged.insert(id);
        }
        // A little later in each round, as far as its first job has come.
        if (round % 2 == 1) {
            CHECK(eventually([&] {
                const auto state = service.state_of(fmt::format("r{}-0", round));
                return state != "queued";
            }));
        }
        service.kill();
        CHECK(eventually([&] { return leases(lab) == 0; }));
        service.start();
    }
    REQUIRE(acknowledged.size() == 30);
    for (const auto& id : acknowledged) {
        INFO(id);
        const auto waited = service.job({"wait", id, "-q"});
        const auto job = service.job_json({"show", id});
        // On a busy machine one may have been killed three times before it came to its end.
        if (job["state"] == "interrupted") {
            CHECK(job["error"]["message"].get<std::string>().ends_with("3 times"));
            continue;
        }
        CHECK(waited.exit == 0);
        CHECK(job["state"] == "done");
        CHECK(job["result"]["summary"]["services"] == chain_services().size());
    }
    CHECK(service.stop().exit == 0);
    CHECK(leases(lab) == 0);
    CHECK(eventually([&] { return filters_and_links(lab).empty(); }));
}

TEST_CASE("service: a job waits for a DSCP, and starts when one is released") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    for (int dscp = 32; dscp < 64; ++dscp)
        REQUIRE(run(ksmsctl(lab, {"registry", "allocate", "--job", fmt::format("held-{}", dscp),
                                  "--no-owner", "--ttl", "600"}))
                    .exit == 0);
    REQUIRE(service.job(submit(lab, "22", {"--id", "first"})).exit == 0);
    REQUIRE(service.job(submit(lab, "22", {"--id", "second"})).exit == 0);
    // It asks, and is the one that waits.
    CHECK(eventually([&] {
        const auto status = run(ksmsctl(lab, {"registry", "status"})).out;
        return status.find("wait") != std::string::npos;
    }));
    CHECK(service.state_of("first") == "queued");
    REQUIRE(run(ksmsctl(lab, {"registry", "release", "--job", "held-40"})).exit == 0);
    CHECK(service.job({"wait", "first", "-q"}).exit == 0);
    CHECK(service.job({"wait", "second", "-q"}).exit == 0);
    const auto first = service.job_json({"show", "first"});
    CHECK(first["dscp"] == 40);
    CHECK(service.job_json({"show", "second"})["started_at"] > first["started_at"]);
}

TEST_CASE("service: a worker that waits for its next job holds no namespace") {
    const auto* const attach = GENERATE("clsact", "");
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start({.before = "", .environment = {{"KSMS_ATTACH", attach}}, .descriptors = {}});
    REQUIRE(service.job(submit(lab, chain_ports(), {"--wait", "-q"})).exit == 0);
    const auto held = [&] {
        std::string found;
        for (const auto pid : service.workers())
            for (const auto& each :
                 std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
                std::error_code gone;
                const auto target = std::filesystem::read_symlink(each.path(), gone).string();
                if (target.starts_with("net:[") || target.starts_with("/run/netns/"))
                    found += fmt::format("{} of {}; ", target, pid);
            }
        return found;
    };
    REQUIRE(service.workers().size() >= 2);
    CHECK(eventually([&] { return held().empty(); }));
    CHECK(held() == "");
}

TEST_CASE("service: no more finished jobs are kept than configured") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    Service service(lab, {{"ksms", {{"keep_jobs", 5}}}});
    service.start();
    REQUIRE(service.job(submit(lab, "22", {"--id", "old-0", "--wait", "-q"})).exit == 0);
    for (int number = 1; number < 30; ++number) {
        const auto id = fmt::format("old-{}", number);
        REQUIRE(service.job(submit(lab, "22", {"--id", id})).exit == 0);
        REQUIRE(service.job({"cancel", id}).exit <= 2);  // some are done by then
    }
    CHECK(eventually([&] { return service.metric("ksms_database_jobs") == 5; }));
    CHECK(service.state_of("old-29") != "none");
    CHECK(service.state_of("old-0") == "none");
}

TEST_CASE("service: queued and running jobs are cancelled") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab, {{"ksms_parallel_execution", false}});
    service.start();
    // A service that nobody accounts for keeps it running for the timeout.
    REQUIRE(service
                .job(submit(lab, "22",
                            {"--id", "long", "--timeout", "300", "--retries", "0", "--rate", "1",
                             "--ports", "1-200"}))
                .exit == 2);
    REQUIRE(service.job(submit(lab, "1-400", {"--id", "long", "--rate", "4"})).exit == 0);
    REQUIRE(service.job(submit(lab, "22", {"--id", "behind"})).exit == 0);
    CHECK(eventually([&] { return service.state_of("long") == "running"; }));
    CHECK(service.state_of("behind") == "queued");
    CHECK(service.job({"cancel", "behind"}).out == "behind cancelled\n");
    CHECK(service.job({"cancel", "long"}).exit == 0);
    CHECK(eventually([&] { return service.state_of("long") == "cancelled"; }));
    CHECK(service.job({"cancel", "long"}).exit == 2);
    CHECK(service.job({"cancel", "nobody"}).exit == 5);
    CHECK(leases(lab) == 0);
    REQUIRE(service.job(submit(lab, "22", {"--id", "next", "--wait", "-q"})).exit == 0);
}

TEST_CASE("service: a detailed job beside fast ones") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    REQUIRE(service.job(submit(lab, "22,23", {"--id", "deep", "--type", "detailed"})).exit == 0);
    REQUIRE(service.job(submit(lab, chain_ports(), {"--id", "flat"})).exit == 0);
    CHECK(service.job({"wait", "flat", "-q"}).exit == 0);
    CHECK(service.job({"wait", "deep", "-q"}).exit == 0);
    const auto deep = service.job_json({"show", "deep"});
    CHECK(deep["state"] == "done");
    CHECK(deep["result"]["schema"] == "ksms.explain/1");
}

TEST_CASE("service: its configuration is read again, a bad one is refused") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    const auto parallel = [&] {
        const auto answer = service.curl("/v1/status");
        return json::parse(answer.substr(answer.find("\r\n\r\n")))["mode"]["parallel"].get<int>();
    };
    CHECK(parallel() == 8);
    auto config = service.config();
    config["max_parallel_fast_jobs"] = 3;
    service.write_config(config.dump());
    service.signal(SIGHUP);
    CHECK(eventually([&] { return parallel() == 3; }));
    service.write_config("{\"max_parallel_fast_jobs\": \"many\"}");
    service.signal(SIGHUP);
    REQUIRE(service.job(submit(lab, "22", {"--socket", config["ksms"]["socket"]})).exit != 0);
    service.write_config(config.dump());
    CHECK(parallel() == 3);
    const auto ended = service.stop();
    CHECK(ended.exit == 0);
    CHECK(ended.err.find("refused, the old configuration stays") != std::string::npos);
}

TEST_CASE("service: health and metrics say what is") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    REQUIRE(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    const auto health = service.curl("/healthz");
    CHECK(health.find("200 OK") != std::string::npos);
    CHECK(health.find("\"status\":\"ok\"") != std::string::npos);
    const auto metrics = service.curl("/metrics");
    for (const auto* line :
         {"ksms_jobs_submitted_total{type=\"fast\"} 1\n",
          "ksms_jobs_finished_total{type=\"fast\",outcome=\"done\"} 1\n", "ksms_leases_used 0\n",
          "ksms_leases_capacity 32\n", "ksms_verdicts_total{result=\"yes\"} 1\n",
          "ksms_database_up 1\n", "ksms_scan_seconds_count{type=\"fast\"} 1\n"}) {
        INFO(line << "in\n" << metrics);
        CHECK(metrics.find(line) != std::string::npos);
    }
    CHECK(service.curl("/").find("<html") != std::string::npos);
}
