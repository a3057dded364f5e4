// SPDX-License-Identifier: BSD-2-Clause
// What one member of the group can do to the others, and to ksmsd: nothing.
#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/service.hpp"
#include "lab/users.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

json job(const Lab& lab, const std::string& id, const json& more = json::object()) {
    json text{{"id", id},
              {"source", chain_source(lab, 4)},
              {"destination", chain_destination(lab, 4)},
              {"services", "22/tcp"}};
    text.update(more);
    return text;
}

/// The answer to a POST of this.
std::string post(const Service& service, const Client& client, const json& body) {
    return service.curl_by(client, "/v1/jobs", {"--json", body.dump()});
}

bool is(const std::string& answer, int status) {
    return answer.find(fmt::format("HTTP/1.1 {} ", status)) != std::string::npos;
}

/// It runs for a long time: one probe a second or fewer.
json slow(const Lab& lab, const std::string& id) {
    return job(lab, id, {{"services", "1-60/tcp"}, {"rate", 1}});
}

}  // namespace

TEST_CASE("service: a file that is no namespace stops nobody: members name no paths, root fails") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start({.before = own_users(lab)});
    const auto fifo = lab.directory() + "/fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0666) == 0);
    for (const json& more : {json{{"source_netns", fifo}}, json{{"router", {fifo}}},
                             json{{"mode", "isolated"}, {"inject", {fifo + ":eth0"}}}}) {
        const auto answer = post(service, kAlice, job(lab, "path", more));
        INFO(answer);
        CHECK(is(answer, 403));
        CHECK(answer.find("a path is root's to name") != std::string::npos);
    }
    const auto failed = service.job(submit(lab, "22", {"--source-netns", fifo, "--wait"}));
    INFO(failed.err);
    CHECK(failed.exit != 0);
    CHECK(failed.err.find(fifo) != std::string::npos);
    CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
}

TEST_CASE("service: a lease under the name of somebody's job stops nobody") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start();
    // All that a member could take; the name that ksmsd uses is refused to members by the kernel.
    const auto taken =
        run(ksmsctl(lab, {"registry", "allocate", "--job", "mine", "--no-owner", "--ttl", "100"}));
    INFO(taken.err);
    REQUIRE(taken.exit == 0);
    const auto waited = service.job(submit(lab, "22", {"--id", "mine", "--wait", "-j"}));
    INFO(waited.err);
    REQUIRE(waited.exit == 0);
    CHECK(json::parse(waited.out)["job"] == "mine");
    CHECK(run(ksmsctl(lab, {"registry", "release", "--job", "mine"})).exit == 0);

    // Root can take the very name: then the job runs under that lease, as `scan --job` does.
    REQUIRE(run(ksmsctl(lab, {"registry", "allocate", "--job", "ksmsd:theirs", "--no-owner",
                              "--ttl", "100"}))
                .exit == 0);
    CHECK(service.job(submit(lab, "22", {"--id", "theirs", "--wait", "-q"})).exit == 0);
    CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    CHECK(run(ksmsctl(lab, {"registry", "release", "--job", "ksmsd:theirs"})).exit == 0);
}

TEST_CASE("service: one user's slow jobs leave slots to others, and to root") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab, {{"max_parallel_fast_jobs", 3}, {"ksms", {{"max_parallel_user", 1}}}});
    service.start({.before = own_users(lab)});
    for (int i = 0; i < 8; ++i)
        REQUIRE(is(post(service, kAlice, slow(lab, fmt::format("a{}", i))), 202));
    CHECK(eventually([&] { return service.state_of("a0") == "running"; }));
    REQUIRE(is(post(service, kPaul, slow(lab, "p")), 202));
    CHECK(eventually([&] { return service.state_of("p") == "running"; }));
    CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    CHECK(service.state_of("a1") == "queued");
    for (int i = 7; i >= 0; --i) CHECK(service.job({"cancel", fmt::format("a{}", i)}).exit == 0);
    CHECK(service.job({"cancel", "p"}).exit == 0);
}

TEST_CASE("service: one user's many results push out nobody else's") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab, {{"ksms", {{"keep_jobs", 10}}}});
    service.start({.before = own_users(lab)});
    REQUIRE(service.job_by(kPaul, submit(lab, "22", {"--id", "p", "--wait", "-q"})).exit == 0);
    for (int i = 0; i < 25; ++i)
        REQUIRE(is(post(service, kAlice,
                        job(lab, fmt::format("a{}", i), {{"source_netns", "there-is-none"}})),
                   202));
    CHECK(eventually([&] { return service.state_of("a0") == "none"; }));
    CHECK(eventually([&] { return service.get("/v1/jobs?limit=1000")["jobs"].size() == 10; }));
    CHECK(service.state_of("p") == "done");
    CHECK(service.state_of("a24") == "failed");
}

TEST_CASE("service: how much, how fast and what a member may ask for") {
    Lab lab;
    build_chain(lab, {.destination = false});
    SECTION("the rate") {
        Service service(lab, {{"ksms", {{"submit_rate_user", 1}}}});
        service.start({.before = own_users(lab)});
        int refused = 0;
        for (int i = 0; i < 15; ++i)
            refused += is(post(service, kAlice, job(lab, fmt::format("a{}", i))), 429) ? 1 : 0;
        CHECK(refused > 0);
        CHECK(is(post(service, kPaul, job(lab, "p")), 202));
        CHECK(service.metric("ksms_jobs_rejected_total{reason=\"rate_limit\"}") == refused);
    }
    SECTION("the bytes of requests that wait") {
        Service service(lab, {{"max_parallel_fast_jobs", 1}});
        service.start({.before = own_users(lab)});
        const auto first = slow(lab, "first");
        REQUIRE(is(post(service, kAlice, first), 202));
        const json large{{"services", "22/tcp" + std::string(100'000, ' ')}};
        const auto size = job(lab, "a00", large).dump().size();
        const auto fit = (8ULL * 1024 * 1024 - first.dump().size()) / size;
        std::uint64_t accepted = 0;
        for (std::uint64_t i = 10; i < fit + 15; ++i)
            accepted += is(post(service, kAlice, job(lab, fmt::format("a{}", i), large)), 202);
        CHECK(accepted == fit);
        CHECK(is(post(service, kPaul, job(lab, "p")), 202));
        // Lists have no requests.
        const auto list = service.get("/v1/jobs?limit=1000");
        CHECK(list["jobs"].size() == fit + 2);
        CHECK(list.dump().size() < 100'000);
    }
    SECTION("ksms.allow") {
        Service service(lab, {{"ksms",
                               {{"allow",
                                 {{"namespaces", {lab.netns("src"), lab.netns("r") + "*"}},
                                  {"sources", {chain_source(lab, 4) + "/32"}},
                                  {"isolated", false}}}}}});
        service.start({.before = own_users(lab)});
        CHECK(is(post(service, kAlice, job(lab, "isolated", {{"mode", "isolated"}})), 403));
        CHECK(is(post(service, kAlice, job(lab, "source", {{"source", "192.0.2.1"}})), 403));
        CHECK(is(post(service, kAlice, job(lab, "netns", {{"source_netns", "host"}})), 403));
        CHECK(service.job_by(kAlice, submit(lab, "22", {"--wait", "-q"})).exit == 0);
        // Root may all.
        CHECK(service.job(submit(lab, "22", {"--mode", "isolated", "--wait", "-q"})).exit == 0);
    }
    SECTION("ksms.allow on the way") {
        Service service(
            lab, {{"ksms", {{"allow", {{"namespaces", {lab.netns("src"), lab.netns("r1")}}}}}}});
        service.start({.before = own_users(lab)});
        const auto failed = service.job_by(kAlice, submit(lab, "22", {"--wait"}));
        INFO(failed.err);
        CHECK(failed.exit == 6);
        CHECK(failed.err.find(lab.netns("r2")) != std::string::npos);
    }
}

TEST_CASE("service: submit, cancel and status from many at once are all answered") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start();
    constexpr int kClients = 8, kRounds = 12;
    std::vector<std::thread> clients;
    std::atomic<int> wrong{0};
    for (int client = 0; client < kClients; ++client)
        clients.emplace_back([&, client] {
            for (int round = 0; round < kRounds; ++round) {
                const auto id = fmt::format("c{}-{}", client, round);
                const auto posted = service.curl("/v1/jobs", {"--json", job(lab, id).dump()});
                wrong += is(posted, 202) ? 0 : 1;
                if (round % 2 == 0) {
                    const auto gone = service.curl("/v1/jobs/" + id, {"-X", "DELETE"});
                    wrong += is(gone, 200) || is(gone, 202) || is(gone, 409) ? 0 : 1;
                }
                wrong += is(service.curl("/v1/status"), 200) ? 0 : 1;
            }
        });
    for (auto& client : clients) client.join();
    CHECK(wrong == 0);
    CHECK(eventually(
        [&] { return service.get("/v1/status")["jobs"] == json{{"queued", 0}, {"running", 0}}; }));
    CHECK(leases(lab) == 0);
    CHECK(service.stop().exit == 0);
}
