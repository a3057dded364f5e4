// SPDX-License-Identifier: BSD-2-Clause
// Every route and every refusal, over the sockets.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <set>

#include "harness.hpp"
#include "lab/wait.hpp"

using namespace ksms;
using namespace ksms::test;
using Catch::Contains;
using ksms::lab::eventually;

namespace {

nlohmann::json json_of(const HttpResponse& response) {
    return nlohmann::json::parse(response.body, nullptr, false);
}

const std::string submission = R"({"type":"fast","source":"10.0.0.1","id":"one"})";

}  // namespace

TEST_CASE("API: a job from its submission to its end", "[answers]") {
    TestServer server;
    auto response = server.ask("POST", "/v1/jobs", submission);
    CHECK(response.status == 202);
    CHECK(header_of(response, "Location") == "/v1/jobs/one");
    CHECK(json_of(response) == nlohmann::json{{"id", "one"}, {"state", "queued"}});
    CHECK(server.ask("POST", "/v1/jobs", submission).status == 200);
    CHECK(server.ask("POST", "/v1/jobs", R"({"id":"one","source":"x"})").status == 409);
    CHECK(json_of(server.ask("GET", "/v1/jobs/one"))["state"] == "queued");
    CHECK(json_of(server.ask("GET", "/v1/jobs"))["jobs"].size() == 1);
    CHECK(json_of(server.ask("GET", "/v1/jobs?state=done&limit=1000"))["jobs"].empty());

    server.run([](FakeService& service) { service.add("two", "running"); });
    CHECK(server.ask("DELETE", "/v1/jobs/two").status == 202);
    CHECK(server.ask("DELETE", "/v1/jobs/one").status == 200);
    CHECK(server.ask("DELETE", "/v1/jobs/one").status == 409);
    server.run([](FakeService& service) { service.finish("two"); });
    CHECK(json_of(server.ask("GET", "/v1/jobs/two?wait=5"))["result"]["schema"] == "ksms.scan/1");
    server.run([](FakeService& service) {
        service.add("three", "running");
        service.finish("three", "failed");
    });
    CHECK(server.ask("GET", "/v1/jobs/three").status == 200);
}

TEST_CASE("API: documents that need no membership", "[answers]") {
    TestServer server;
    CHECK(json_of(server.ask("GET", "/v1/registry"))["schema"] == "ksms.registry/1");
    CHECK(json_of(server.ask("GET", "/v1/status"))["state"] == "running");
    CHECK(server.ask("GET", "/healthz").status == 200);
    const auto page = server.ask("GET", "/");
    CHECK(page.content_type == "text/html; charset=utf-8");
    const auto policy = header_of(page, "Content-Security-Policy");
    CHECK_THAT(policy, Contains("default-src 'none'"));
    CHECK_THAT(policy, Contains("script-src 'sha256-c2NyaXB0'"));
    CHECK_THAT(policy, !Contains("unsafe"));
    const auto metrics = server.ask("GET", "/metrics");
    CHECK_THAT(metrics.body, Contains("ksms_jobs 0\n") &&
                                 Contains("ksms_http_connections{listener=\"socket\"} 1\n"));
    for (const auto& response : {page, metrics}) {
        CHECK(header_of(response, "X-Content-Type-Options") == "nosniff");
        CHECK(header_of(response, "Cache-Control") == "no-store");
    }
    server.run([](FakeService& service) { service.healthy = false; });
    CHECK(server.ask("GET", "/healthz").status == 503);
    CHECK(server.ask("HEAD", "/v1/status").body.empty());
    CHECK(header_of(server.ask("HEAD", "/v1/status"), "Content-Length") != "0");
}

TEST_CASE("API: errors are problem documents", "[answers]") {
    TestServer server;
    const auto check = [&](int status, const std::string& method, const std::string& target,
                           const std::string& body = {}) {
        const auto response = server.ask(method, target, body);
        CAPTURE(method, target, body, response.body);
        CHECK(response.status == status);
        CHECK(response.content_type == "application/problem+json");
        const auto problem = json_of(response);
        CHECK(problem.value("status", 0) == status);
        CHECK_FALSE(problem.value("detail", "").empty());
        return response;
    };
    check(404, "GET", "/v1/jobs/none");
    check(404, "GET", "/v1/jobs/none/events");
    check(404, "DELETE", "/v1/jobs/none");
    check(404, "GET", "/v2");
    check(404, "GET", "/v1/jobs/");
    check(404, "GET", "/v1/jobs/" + std::string(64, 'a'));
    check(404, "GET", "/v1/jobs/..%2f..%2fx");
    check(404, "GET", "/v1/jobs/%7Bid%7D");
    check(400, "GET", "/v1/jobs?stat=done");
    check(400, "GET", "/v1/jobs?state=don");
    check(400, "GET", "/v1/jobs?limit=0");
    check(400, "GET", "/v1/jobs?limit=1&limit=1");
    check(400, "GET", "/v1/jobs/x?wait=-1");
    check(400, "GET", "/v1/jobs/x?wait=nan");
    check(400, "GET", "/v1/jobs/x?wait=1e9");
    check(400, "POST", "/v1/jobs", "{");
    check(400, "POST", "/v1/jobs", "{}");
    check(400, "POST", "/v1/jobs?x=1", "{}");
    check(413, "GET", "/v1/jobs", "{}");
    check(413, "POST", "/v1/jobs", std::string(1024 * 1024 + 1, ' '));
    check(414, "GET", "/" + std::string(5000, 'a'));
    check(500, "GET", "/v1/jobs/throws");
    const auto wrong = check(405, "PUT", "/v1/jobs");
    CHECK(header_of(wrong, "Allow") == "POST, GET, HEAD");
    const auto full = check(429, "POST", "/v1/jobs", R"({"source":"full"})");
    CHECK(header_of(full, "Retry-After") == "7");
    CHECK(json_of(full)["type"] == "queue-full");
    CHECK(json_of(check(400, "GET", "/v1/jobs?stat=done"))["hint"] == "did you mean state?");
}

TEST_CASE("API: users outside the group may read, not submit", "[answers]") {
    if (::geteuid() == 0) {
        // Root may submit always; the server gets the UID from the kernel, so use another one.
        TestServer server({}, "no-such-group");
        ::chmod(server.path().substr(0, server.path().rfind('/')).c_str(), 0755);
        ::chmod(server.path().c_str(), 0777);
        auto answer = std::async(std::launch::async, [&] {
                          // setresuid(2) for this thread only; the C library's wrapper changes all
                          // threads.
                          ::syscall(SYS_setresuid, 65534, 65534, 65534);
                          return std::pair{server.ask("POST", "/v1/jobs", submission),
                                           server.ask("GET", "/v1/jobs")};
                      }).get();
        CHECK(answer.first.status == 403);
        CHECK_THAT(answer.first.body, Contains("group ksms"));
        CHECK(answer.second.status == 200);
        CHECK(server.service().submissions == 0);
    } else {
        TestServer server({}, "no-such-group");
        CHECK(server.ask("POST", "/v1/jobs", submission).status == 403);
        CHECK(server.ask("GET", "/v1/jobs").status == 200);
    }
}

TEST_CASE("API: a wait ends with the job, with its time, or with the client") {
    TestServer server;
    server.run([](FakeService& service) { service.add("j", "running"); });
    CHECK(json_of(server.ask("GET", "/v1/jobs/j?wait=0.05"))["state"] == "running");
    CHECK(server.service().watchers == 0);

    auto waiting =
        std::async(std::launch::async, [&] { return server.ask("GET", "/v1/jobs/j?wait=60"); });
    CHECK(eventually([&] { return server.service().watchers == 1; }));
    server.run([](FakeService& service) { service.finish("j"); });
    CHECK(json_of(waiting.get())["state"] == "done");
    CHECK(server.service().watchers == 0);

    server.run([](FakeService& service) { service.add("k", "running"); });
    {
        const auto gone = server.connect();
        send_all(gone.get(), "GET /v1/jobs/k?wait=60 HTTP/1.1\r\nHost: ksms\r\n\r\n");
        CHECK(eventually([&] { return server.service().watchers == 1; }));
    }
    CHECK(eventually([&] { return server.service().watchers == 0; }));
    CHECK(eventually([&] { return server.connections() == 0; }));
}

TEST_CASE("API: events arrive live and resume from Last-Event-ID") {
    HttpLimits limits;
    limits.heartbeat = std::chrono::milliseconds(20);
    TestServer server(limits);
    server.run([](FakeService& service) {
        service.add("j", "running");
        service.emit("j", "verdict", R"({"index":0})");
    });
    std::vector<JobEvent> events;
    auto reading = std::async(std::launch::async, [&] {
        return HttpClient(server.path()).events("/v1/jobs/j/events", [&](const JobEvent& e) {
            events.push_back(e);
            return true;
        });
    });
    CHECK(eventually([&] { return server.service().watchers == 1; }));
    server.run([](FakeService& service) {
        service.emit("j", "verdict", R"({"index":1})");
        service.finish("j");
    });
    REQUIRE(reading.get());
    REQUIRE(events.size() == 5);
    CHECK(events.back().name == "end");
    CHECK(events[2].data == R"({"index":1})");
    CHECK(eventually([&] { return server.service().watchers == 0; }));

    const auto again = server.connect();
    send_all(again.get(),
             "GET /v1/jobs/j/events HTTP/1.1\r\nHost: ksms\r\nLast-Event-ID: 4\r\n\r\n");
    const auto rest = receive(again.get());
    CHECK_THAT(rest, Contains("id: 5\nevent: end") && !Contains("id: 4\n"));
    const auto none =
        HttpClient(server.path()).events("/v1/jobs/x/events", [](const JobEvent&) { return true; });
    REQUIRE(none);
    CHECK(none->status == 404);

    server.run([](FakeService& service) { service.add("k", "running"); });
    const auto silent = server.connect();
    send_all(silent.get(), "GET /v1/jobs/k/events HTTP/1.1\r\nHost: ksms\r\n\r\n");
    CHECK_THAT(receive(silent.get(), "\n\n:\n\n"), Contains("text/event-stream"));
}

TEST_CASE("loopback port: clients are anonymous, and foreign Host names are refused") {
    TestServer server;
    const auto get = [&](const std::string& target, const std::string& host = "localhost",
                         const std::string& method = "GET") {
        return status_of(server.raw_tcp(method + " " + target + " HTTP/1.1\r\nHost: " + host +
                                        "\r\nConnection: close\r\n\r\n"));
    };
    for (const auto* open : {"/", "/metrics", "/healthz", "/v1/status"}) CHECK(get(open) == 200);
    for (const auto* shut : {"/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/events", "/v1/registry", "/x"})
        CHECK(get(shut) == 403);
    CHECK(get("/v1/jobs", "localhost", "POST") == 403);
    CHECK(get("/v1/jobs/x", "localhost", "DELETE") == 403);
    CHECK(get("/metrics", "127.0.0.1:" + std::to_string(server.port())) == 200);
    CHECK(get("/metrics", "evil.example") == 421);
    CHECK(get("http://evil.example/metrics") == 421);
}

TEST_CASE("server: stop answers pending requests, closes the others and returns") {
    TestServer server;
    server.run([](FakeService& service) { service.add("j", "running"); });
    const auto idle = server.connect();
    const auto stream = server.connect();
    send_all(stream.get(), "GET /v1/jobs/j/events HTTP/1.1\r\nHost: ksms\r\n\r\n");
    auto waiting =
        std::async(std::launch::async, [&] { return server.ask("GET", "/v1/jobs/j?wait=60"); });
    CHECK(eventually([&] { return server.service().watchers == 2; }));
    CHECK(server.stop(std::chrono::seconds(5)));
    CHECK(json_of(waiting.get())["state"] == "running");
    CHECK(receive(idle.get()).empty());
    CHECK(server.service().watchers == 0);
    CHECK(server.connections() == 0);
}

TEST_CASE("API: 503 if the service does not reply in time, and a late reply is discarded") {
    HttpLimits limits;
    limits.service = std::chrono::milliseconds(50);
    TestServer server(limits);
    server.run([](FakeService& service) {
        service.add("j", "running");
        service.silent = true;
    });
    const auto answer = server.ask("GET", "/v1/jobs/j");
    CHECK(answer.status == 503);
    CHECK(header_of(answer, "Retry-After") == "5");
    server.run([](FakeService& service) { service.silent = false; });
    CHECK(server.ask("GET", "/v1/jobs/j").status == 200);
    CHECK(server.ask("GET", "/v1/jobs/j").status == 200);
}

TEST_CASE("API: a foreign Origin is refused on the Unix socket too (ssh -L forwards browsers)") {
    TestServer server;
    server.run([](FakeService& service) { service.add("j", "running"); });
    const auto status = [&](const std::string& headers) {
        return status_of(
            server.raw("GET /v1/jobs/j HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n"));
    };
    CHECK(status("Host: ksms\r\n") == 200);
    CHECK(status("Host: localhost:8642\r\n") == 200);
    CHECK(status("Host: [::1]:8642\r\n") == 200);
    CHECK(status("Host: rebound.example:8642\r\n") == 421);
    CHECK(status("Host: ksms.example\r\n") == 421);
    CHECK(status("Host: localhost:8642\r\nOrigin: http://localhost:8642\r\n") == 200);
    CHECK(status("Host: localhost:8642\r\nOrigin: http://localhost:3000\r\n") == 403);
    CHECK(status("Host: localhost:8642\r\nOrigin: https://localhost:8642\r\n") == 403);
    CHECK(status("Host: localhost:8642\r\nOrigin: null\r\n") == 403);
    CHECK(status("Host: localhost:8642\r\nSec-Fetch-Site: same-origin\r\n") == 200);
    CHECK(status("Host: localhost:8642\r\nSec-Fetch-Site: none\r\n") == 200);
    CHECK(status("Host: localhost:8642\r\nSec-Fetch-Site: same-site\r\n") == 403);
    CHECK(status("Host: localhost:8642\r\nSec-Fetch-Site: cross-site\r\n") == 403);
    CHECK(server.service().submissions == 0);
}
