// SPDX-License-Identifier: BSD-2-Clause
// Who may ask ksmsd, for what, and who cannot even come near. The group `ksms` and the users are in
// ksmsd's own view of /etc alone: nothing is added to the machine.
#include <fmt/format.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/raw_client.hpp"
#include "lab/service.hpp"
#include "lab/users.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

/// Its socket has a directory of its own, which ksmsd makes.
json in_a_directory(const Lab& lab) {
    return {{"ksms", {{"socket", lab.directory() + "/run/s"}}}};
}

std::string access_of(const std::string& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) return "none";
    return fmt::format("{:04o} {}:{}", status.st_mode & 07777, status.st_uid, status.st_gid);
}

// What the clients ask for.
constexpr const char* kServices = "22,25";

std::vector<std::string> body(const Lab& lab, const json& more) {
    json text{{"source", chain_source(lab, 4)},
              {"destination", chain_destination(lab, 4)},
              {"services", "22/tcp"}};
    text.update(more);
    return {"--json", text.dump()};
}

std::string ids(const json& list) {
    std::string text;
    for (const auto& job : list["jobs"]) text += job["id"].get<std::string>() + " ";
    return text;
}

}  // namespace

TEST_CASE("service: members of the group see and cancel their own jobs, root all") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab, in_a_directory(lab));
    service.start({.before = own_users(lab)});

    const auto waited =
        service.job_by(kAlice, submit(lab, kServices, {"--id", "a", "--wait", "-j"}));
    INFO(waited.err);
    REQUIRE(waited.exit == 0);
    CHECK(json::parse(waited.out)["services"][1]["stopped_at"] == lab.netns("r2"));
    const auto mine = service.job_json_by(kAlice, {"show", "a"});
    CHECK(mine["user"] == "ksmst-alice");
    CHECK(mine["state"] == "done");
    REQUIRE(service.job_by(kPaul, submit(lab, kServices, {"--id", "p", "--wait", "-q"})).exit == 0);
    std::vector<std::string> arguments{"submit",
                                       "-s",
                                       chain_source(lab, 4),
                                       "-d",
                                       chain_destination(lab, 4),
                                       "-P",
                                       "1-90",
                                       "--rate",
                                       "2",
                                       "--id",
                                       "slow"};
    REQUIRE(service.job_by(kAlice, arguments).exit == 0);
    CHECK(eventually([&] { return service.job_json({"show", "slow"})["state"] == "running"; }));

    // To Bob they are not there.
    for (const std::string job : {"a", "slow"}) {
        INFO(job);
        for (const std::string verb : {"show", "wait", "watch", "cancel"}) {
            const auto refused = service.job_by(kBob, {verb, job});
            INFO(verb << ": " << refused.out << refused.err);
            CHECK(refused.exit == 5);
            CHECK(refused.out.empty());
        }
        CHECK(http_status(service.curl_by(kBob, "/v1/jobs/" + job)) == "404");
        CHECK(http_status(service.curl_by(kBob, "/v1/jobs/" + job + "?wait=1")) == "404");
        CHECK(http_status(service.curl_by(kBob, "/v1/jobs/" + job + "/events")) == "404");
        CHECK(http_status(service.curl_by(kBob, "/v1/jobs/" + job, {"-X", "DELETE"})) == "404");
        CHECK(http_status(service.curl_by(kBob, "/v1/jobs", body(lab, {{"id", job}}))) == "409");
    }
    CHECK(ids(service.job_json_by(kBob, {"list"})).empty());
    CHECK(service.job_by(kBob, {"list", "--user", "ksmst-alice"}).exit == 6);
    CHECK(service.job_json({"show", "slow"})["state"] == "running");

    // Root sees all, and only he submits for somebody else.
    CHECK(http_status(service.curl_by(kAlice, "/v1/jobs", body(lab, {{"user", "ksmst-bob"}}))) ==
          "403");
    CHECK(http_status(service.curl("/v1/jobs", body(lab, {{"id", "b"}, {"user", "ksmst-bob"}}))) ==
          "202");
    CHECK(service.job_by(kBob, {"wait", "b", "-q"}).exit == 0);
    CHECK(ids(service.job_json_by(kBob, {"list"})) == "b ");
    CHECK(ids(service.job_json_by(kAlice, {"list"})) == "slow a ");
    CHECK(ids(service.job_json({"list"})) == "b slow p a ");
    CHECK(ids(service.job_json({"list", "--user", "ksmst-alice"})) == "slow a ");

    CHECK(service.job_by(kAlice, {"cancel", "slow"}).exit == 0);
    CHECK(eventually([&] { return service.job_json({"show", "slow"})["state"] == "cancelled"; }));
    arguments.back() = "slower";
    REQUIRE(service.job_by(kAlice, arguments).exit == 0);
    CHECK(service.job({"cancel", "slower"}).exit == 0);
    CHECK(eventually([&] { return service.job_json({"show", "slower"})["state"] == "cancelled"; }));
}

TEST_CASE("service: others are kept out, by modes and by name") {
    Lab lab;
    build_chain(lab);
    Service service(lab, in_a_directory(lab));
    const auto run = lab.directory() + "/run", state = lab.directory() + "/state";
    // Whatever umask it is started with; systemd's is the second.
    for (const char* umask : {"umask 0\n", "umask 0077\n"}) {
        INFO(umask);
        std::filesystem::remove_all(run);
        std::filesystem::remove_all(state);
        service.start({.before = umask + own_users(lab)});
        REQUIRE(service.job_by(kAlice, submit(lab, kServices, {"--wait", "-q"})).exit == 0);
        CHECK(access_of(run) == fmt::format("0750 0:{}", kKsmsGroup));
        CHECK(access_of(run + "/s") == fmt::format("0660 0:{}", kKsmsGroup));
        CHECK(access_of(state) == "0700 0:0");
        CHECK(access_of(state + "/jobs.db") == "0600 0:0");
        CHECK(access_of(state + "/jobs.db-wal") == "0600 0:0");
        for (const auto& client : {kCarol, kStranger}) {
            const auto refused = service.job_by(client, submit(lab, kServices));
            INFO(refused.err);
            CHECK(refused.exit == 6);
            CHECK(refused.err.find("members of the group ksms may") != std::string::npos);
            CHECK(service.curl_by(client, "/v1/status").empty());
        }
        REQUIRE(service.stop().exit == 0);
    }

    // Somebody opened the socket to all: ksmsd itself still knows who may.
    service.start({.before = own_users(lab)});
    std::filesystem::permissions(run, std::filesystem::perms{0755});
    std::filesystem::permissions(run + "/s", std::filesystem::perms{0666});
    const auto refused = service.job_by(kStranger, submit(lab, kServices));
    INFO(refused.err);
    CHECK(refused.exit == 6);
    CHECK(refused.err.find("may not submit jobs") != std::string::npos);
    CHECK(http_status(service.curl_by(kStranger, "/v1/jobs", body(lab, json::object()))) == "403");
    // A member by the group database, whose process began before he was one.
    CHECK(service.job_by(kCarol, submit(lab, kServices, {"--wait", "-q"})).exit == 0);
    CHECK(ids(service.job_json_by(kStranger, {"list"})).empty());
}

TEST_CASE("service: without the group it is root's alone") {
    Lab lab;
    build_chain(lab);
    Service service(lab, in_a_directory(lab));
    service.start({.before = own_users(lab, false)});
    CHECK(access_of(lab.directory() + "/run/s") == "0600 0:0");
    CHECK(service.job_by(kAlice, submit(lab, kServices)).exit == 6);
    CHECK(service.job(submit(lab, kServices, {"--wait", "-q"})).exit == 0);
}
