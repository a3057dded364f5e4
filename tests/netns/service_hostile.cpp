// SPDX-License-Identifier: BSD-2-Clause
// A member of the group who means harm, at the real socket, while another one goes on working.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "lab/chain.hpp"
#include "lab/raw_client.hpp"
#include "lab/service.hpp"
#include "lab/users.hpp"
#include "sanitized.hpp"

namespace {

using namespace ksms::lab;
using nlohmann::json;

constexpr std::size_t kMiB = 1024UL * 1024;
/// Alice works; these do not.
const Client kMallory{64110, 64110, {kKsmsGroup}};

/// The chain with a ksmsd, and whether it is after all of that as it was before.
class Siege {
public:
    Siege() : service(lab) {
        build_chain(lab);
        service.start({.before = own_users(lab)});
        others_work("before");
        resident_ = service.resident();
        descriptors_ = service.descriptors();
    }

    /// Somebody else's job is done meanwhile.
    void others_work(const std::string& when) {
        const auto done = service.job_by(
            kAlice, {"submit", "-s", chain_source(lab, 4), "-d", chain_destination(lab, 4), "-P",
                     chain_ports(), "--wait", "-q"});
        INFO(when << ": " << done.err);
        CHECK(done.exit == 0);
    }

    /// All of his connections are closed.
    void is_over() {
        CHECK(eventually(
            [this] { return service.metric("ksms_http_connections{listener=\"socket\"}") == 1; }));
        others_work("after");
        INFO("descriptors " << descriptors_ << ", " << service.descriptors());
        CHECK(eventually([this] { return service.descriptors() <= descriptors_ + 4; }));
        INFO("KiB " << resident_ << ", " << service.resident() << ", of ksmsd "
                    << status_line(service.pid(), "VmRSS"));
        CHECK(eventually([this] { return service.resident() < resident_ + 24 * 1024; }));
        CHECK_FALSE(service.ended(milliseconds{0}));
    }

    [[nodiscard]] RawClient mallory() const { return {service.socket(), kMallory}; }

    Lab lab;
    Service service;

private:
    long resident_{0};
    std::size_t descriptors_{0};
};

std::string request(const std::string& line, const std::string& headers = {},
                    const std::string& body = {}) {
    return line + " HTTP/1.1\r\nHost: ksms\r\nConnection: close\r\n" + headers + "\r\n" + body;
}

std::string post(const std::string& body) {
    return request(
        "POST /v1/jobs",
        fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size()), body);
}

struct Harm {
    const char* what;
    std::string said;
    const char* status;
};

/// What is answered at once, and how.
std::vector<Harm> harms() {
    const std::string type = "Content-Type: application/json\r\n";
    std::string chunks;
    while (chunks.size() < 2 * kMiB) chunks += "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
    return {
        {"a header of 1 MiB", request("GET /", "X: " + std::string(kMiB, 'x') + "\r\n"), "431"},
        {"50,000 headers",
         request("GET /",
                 [] {
                     std::string many;
                     for (int i = 0; i < 50'000; ++i) many += "X: y\r\n";
                     return many;
                 }()),
         "431"},
        {"a target of 1 MiB", request("GET /" + std::string(kMiB, 'x')), "414"},
        {"a body of 100 MiB",
         request("POST /v1/jobs", type + "Content-Length: 104857600\r\n",
                 std::string(100 * kMiB, ' ')),
         "413"},
        {"chunks without an end",
         request("POST /v1/jobs", type + "Transfer-Encoding: chunked\r\n", chunks), "413"},
        {"a chunk of 2^63",
         request("POST /v1/jobs", type + "Transfer-Encoding: chunked\r\n", "8000000000000000\r\n"),
         "413"},
        {"a length that is none", request("POST /v1/jobs", type + "Content-Length: -1\r\n"), "400"},
        {"two lengths",
         request("POST /v1/jobs", type + "Content-Length: 2\r\nContent-Length: 3\r\n", "{} "),
         "400"},
        {"bad UTF-8 in the body", post("{\"source\":\"\xff\xfe\"}"), "400"},
        {"bad UTF-8 in the target", request("GET /v1/jobs/%ff%fe"), "400"},
        {"JSON 100,000 deep", post(std::string(100'000, '[')), "400"},
        {"objects 100,000 deep", post([] {
             std::string deep;
             for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
             return deep;
         }()),
         "400"},
        {"a number of 100,000 digits", post("{\"timeout\":" + std::string(100'000, '9') + "}"),
         "400"},
        {"no object", post("null"), "400"},
        {"a method that is none", request("BREW /v1/jobs"), "405"},
        {"a method for something else", request("DELETE /v1/jobs"), "405"},
        {"a body where none belongs", request("GET /v1/jobs", "Content-Length: 9\r\n"), "413"},
        {"a NUL in the line", request(std::string("G\0T /", 5)), "400"},
        {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
        {"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
        {"out of the root", request("GET /../../etc/passwd"), "404"},
        {"an id that is none", request("GET /v1/jobs/" + std::string(3000, 'x')), "404"},
    };
}

}  // namespace

TEST_CASE("service: requests that do harm have an answer each") {
    SKIP_IF_SANITIZED();
    Siege siege;
    // Half requests, all the time.
    std::vector<RawClient> half;
    for (int i = 0; i < 40; ++i) {
        half.push_back(siege.mallory());
        half.back().say(i % 2 == 0 ? "POST /v1/jo"
                                   : "POST /v1/jobs HTTP/1.1\r\nHost: ksms\r\nContent-Type: "
                                     "application/json\r\nContent-Length: 1000000\r\n\r\n{");
    }
    siege.others_work("half requests");
    for (const auto& harm : harms()) {
        INFO(harm.what);
        auto client = siege.mallory();
        client.say(harm.said);
        const auto answer = client.hear();
        INFO(answer.substr(0, 400));
        CHECK(http_status(answer) == harm.status);
        CHECK(answer.find("application/problem+json") != std::string::npos);
    }
    siege.others_work("all of that");
    // A request that does not come to its end has ten seconds.
    CHECK(http_status(half.back().hear(kPatience)) == "408");
    half.clear();
    siege.is_over();
}

TEST_CASE("service: a thousand connections that say nothing") {
    SKIP_IF_SANITIZED();
    Siege siege;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    REQUIRE(limit.rlim_max >= 2048);
    limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, 2048);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<RawClient> silent;
    for (unsigned i = 0; i < 1000; ++i) {
        // One user alone at first, then eight more.
        const auto uid = kMallory.uid + (i < 500 ? 0 : 1 + i % 8);
        silent.emplace_back(siege.service.socket(), Client{uid, uid, {kKsmsGroup}});
        if (i % 250 == 249) siege.others_work(fmt::format("{} connections", i + 1));
    }
    CHECK(siege.service.metric("ksms_http_connections{listener=\"socket\"}") <= 256 + 8);
    const auto closed = std::count_if(silent.begin(), silent.end(),
                                      [](RawClient& client) { return client.is_closed(); });
    CHECK(closed >= 1000 - 256);
    // He has what he may have, until he lets go of it.
    auto last = siege.mallory();
    last.say(request("GET /v1/status"));
    CHECK(http_status(last.hear()) == "503");
    silent.clear();
    siege.is_over();
}

TEST_CASE("service: answers and events that nobody takes") {
    SKIP_IF_SANITIZED();
    Siege siege;
    const json body{{"id", "large"},
                    {"source", chain_source(siege.lab, 4)},
                    {"destination", chain_destination(siege.lab, 4)},
                    {"services", "1-4000/tcp"}};
    auto submitting = siege.mallory();
    submitting.say(post(body.dump()));
    REQUIRE(http_status(submitting.hear()) == "202");
    REQUIRE(siege.service.job({"wait", "large", "-q"}).exit == 0);

    // As many streams as he may have; the answer to one more comes at once.
    std::vector<RawClient> deaf;
    for (int i = 0; i < 48; ++i) {
        deaf.push_back(siege.mallory());
        deaf.back().say(request("GET /v1/jobs/large/events"));
        INFO("stream " << i);
        CHECK(http_status(deaf.back().begin(kPatience)) == "200");
    }
    siege.others_work("48 streams that nobody reads");
    CHECK(siege.service.metric("ksms_http_event_streams") == 48);
    auto one_more = siege.mallory();
    one_more.say(request("GET /v1/jobs/large/events"));
    CHECK(http_status(one_more.hear()) == "503");
    deaf.clear();
    // Documents of more than a megabyte, until he holds what he may.
    for (int i = 0; i < 60; ++i) {
        deaf.push_back(siege.mallory());
        deaf.back().say(request("GET /v1/jobs/large"));
    }
    siege.others_work("answers that nobody takes");
    CHECK(http_status(deaf.back().hear()) == "503");
    const auto pending = siege.service.metric("ksms_http_pending_bytes");
    INFO(pending);
    CHECK(pending > 16 * kMiB);
    CHECK(pending < 48 * kMiB);
    deaf.clear();
    siege.is_over();
}
