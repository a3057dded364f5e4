// SPDX-License-Identifier: BSD-2-Clause
// What ksmsd asks may hang: a disk, a database of users. Only who needs the answer waits.
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/service.hpp"
#include "lab/users.hpp"
#include "sanitized.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

/// While it lives, calls of this function hang in ksmsd.
class Hanging {
public:
    Hanging(const Lab& lab, const std::string& function) : file_(lab.directory() + "/" + function) {
        std::ofstream{file_};
    }
    Hanging(const Hanging&) = delete;
    Hanging& operator=(const Hanging&) = delete;
    ~Hanging() { std::filesystem::remove(file_); }

private:
    std::string file_;
};

ServiceStart with_hangs(const Lab& lab) {
    return {.before = own_users(lab),
            .environment = {{"LD_PRELOAD", KSMST_HANG}, {"KSMST_HANG", lab.directory()}}};
}

bool is_answered(const Service& service) {
    return service.curl("/v1/status", {"--max-time", "2"}).find(" 200 ") != std::string::npos;
}

}  // namespace

TEST_CASE("service: a disk that hangs holds up who waits for it, and is told") {
    SKIP_IF_SANITIZED();
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start(with_hangs(lab));
    REQUIRE(service.job(submit(lab, "22", {"--id", "before", "--wait", "-q"})).exit == 0);
    Outcome submitted;
    std::thread client;
    {
        const Hanging disk(lab, "fdatasync");
        client = std::thread([&] { submitted = service.job(submit(lab, "22", {"--id", "held"})); });
        CHECK(eventually([&] {
            return service.curl("/healthz").find("has not answered for") != std::string::npos;
        }));
        CHECK(is_answered(service));
        CHECK(service.metric("ksms_database_up") == 0);
    }
    client.join();
    INFO(submitted.err);
    CHECK(submitted.exit == 0);
    CHECK(service.job({"wait", "held"}).exit == 0);
    CHECK(eventually([&] { return service.metric("ksms_database_up") == 1; }));
}

TEST_CASE("service: a disk that hangs does not keep ksmsd from ending") {
    SKIP_IF_SANITIZED();
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start(with_hangs(lab));
    REQUIRE(service.job(submit(lab, "22", {"--id", "before", "--wait", "-q"})).exit == 0);
    {
        const Hanging disk(lab, "fdatasync");
        const auto client = service.begin_job(submit(lab, "22", {"--id", "held"}));
        CHECK(eventually([&] {
            return service.curl("/healthz").find("has not answered for") != std::string::npos;
        }));
        service.signal(SIGTERM);
        CHECK(service.wait().exit == 1);
        CHECK(service.log().find("the disk has not taken what was to be written") !=
              std::string::npos);
        CHECK(client->wait().exit == 1);
    }
    // Nobody was told that the second job is queued.
    service.start(with_hangs(lab));
    CHECK(service.state_of("before") == "done");
}

TEST_CASE("service: a database of users that hangs costs names, and nobody else waits") {
    SKIP_IF_SANITIZED();
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start(with_hangs(lab));
    // Carol's process is not in the group that may open the socket.
    std::filesystem::permissions(service.socket(), std::filesystem::perms{0666});
    {
        const Hanging names(lab, "getpwuid_r");
        Outcome carol;
        std::thread client([&] { carol = service.job_by(kCarol, submit(lab, "22")); });
        // The kernel knows Alice as a member; her name it does not know.
        CHECK(service.job_by(kAlice, submit(lab, "22", {"--id", "a"})).exit == 0);
        CHECK(is_answered(service));
        CHECK(service.job_json({"show", "a"})["user"] == std::to_string(kAlice.uid));
        client.join();
        INFO(carol.err);
        CHECK(carol.exit == 6);
    }
    CHECK(eventually([&] { return service.job_by(kCarol, submit(lab, "22")).exit == 0; }));
    CHECK(service.job_by(kAlice, submit(lab, "22", {"--id", "b"})).exit == 0);
    CHECK(service.job_json({"show", "b"})["user"] == "ksmst-alice");
}
