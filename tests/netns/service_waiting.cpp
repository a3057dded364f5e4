// SPDX-License-Identifier: BSD-2-Clause
// Who waits for a job: what he sees meanwhile, and what is said when he goes.
#include <catch2/catch.hpp>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/service.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

/// Takes minutes unless it is cancelled.
std::vector<std::string> long_job(const Lab& lab, const std::string& id) {
    return submit(lab, "1-5000", {"--id", id, "--rate", "20"});
}

Command waiting(const Lab& lab, const Service& service, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "job");
    arguments.insert(arguments.end(), {"--socket", service.socket()});
    return ksmsctl(lab, arguments);
}

/// Is it ksmsctl already, and does it handle the signal, or does that kill it still?
bool catches(pid_t pid, int signal) {
    if (status_line(pid, "Name") != "ksmsctl") return false;
    const auto caught = status_line(pid, "SigCgt");
    return !caught.empty() && (std::stoull(caught, nullptr, 16) >> (signal - 1) & 1) != 0;
}

bool runs(const Service& service, const std::string& id) {
    return service.state_of(id) == "running";
}

TEST_CASE("service: Ctrl-C ends the waiting, says that the job goes on, and how to come back") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    Service service(lab);
    service.start();
    auto submit_and_wait = long_job(lab, "long");
    submit_and_wait.emplace_back("--wait");
    for (const auto& arguments : std::vector<std::vector<std::string>>{
             submit_and_wait, {"wait", "long"}, {"watch", "long"}, {"wait", "long", "-j"}}) {
        INFO(arguments.front() << " " << arguments.back());
        Child child(waiting(lab, service, arguments));
        REQUIRE(eventually([&] { return runs(service, "long"); }));
        REQUIRE(eventually([&] { return catches(child.pid(), SIGINT); }));
        child.signal(SIGINT);
        const auto outcome = child.wait();
        INFO(outcome.err << outcome.out);
        CHECK(outcome.exit == 128 + SIGINT);
        CHECK(outcome.err.find("job long goes on in ksmsd") != std::string::npos);
        CHECK(outcome.err.find("`ksmsctl job wait long`") != std::string::npos);
        CHECK(outcome.err.find("`ksmsctl job cancel long`") != std::string::npos);
        if (arguments.back() == "-j") CHECK(json::parse(outcome.out)["schema"] == "ksms.error/1");
        CHECK(runs(service, "long"));
    }
    CHECK(service.job({"cancel", "long"}).exit == 0);
    REQUIRE(eventually([&] { return service.state_of("long") == "cancelled"; }));
}

TEST_CASE("service: who watches sees how far it is, and what is known so far") {
    constexpr int kServices = 300;
    Lab lab;
    build_chain(lab);
    Service service(lab);
    service.start();
    REQUIRE(service.job(submit(lab, "1-300", {"--id", "seen", "--rate", "300"})).exit == 0);
    const auto watched = service.job({"watch", "seen", "-j"});
    INFO(watched.out.substr(0, 4000) << watched.err);
    REQUIRE(watched.exit == 0);
    const auto valid = run({.arguments = {"python3", KSMS_SOURCE_DIR "/tests/schema/validate", "-"},
                            .input = watched.out});
    INFO(valid.out << valid.err);
    CHECK(valid.exit == 0);
    std::map<int, std::string> so_far, in_the_end;
    bool halfway = false, with_time_left = false;
    const auto happened = json::parse(watched.out);
    for (const auto& event : happened["events"]) {
        const auto& data = event["data"];
        if (event["event"] == "verdict") {
            auto& into = data["so_far"] == true ? so_far : in_the_end;
            CHECK_FALSE(into.contains(data["port"].get<int>()));
            into[data["port"]] = data["result"].get<std::string>() + data["routers"].dump();
        } else if (event["event"] == "progress") {
            const auto accounted = data["accounted"].get<int>();
            halfway |= data["stage"] == "probe" && accounted > 0 && accounted < kServices;
            with_time_left |= data["left_ms"].get<int>() > 0;
            CHECK(accounted <= kServices);
        }
    }
    CHECK(halfway);
    CHECK(with_time_left);
    CHECK(in_the_end.size() == kServices);
    CHECK(so_far.size() > kServices / 2);
    for (const auto& [port, verdict] : so_far) CHECK(verdict == in_the_end[port]);
}

}  // namespace
