// SPDX-License-Identifier: BSD-2-Clause
// Hostile clients. The server keeps answering others and its memory stays bounded.
#include <sys/resource.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <random>

#include "harness.hpp"
#include "lab/wait.hpp"
#include "sanitized.hpp"

using namespace ksms;
using namespace ksms::test;
using Catch::Contains;
using ksms::lab::eventually;

namespace {

const std::string host = "Host: ksms\r\n";

std::string post(const std::string& headers, const std::string& body) {
    return "POST /v1/jobs HTTP/1.1\r\n" + host + "Content-Type: application/json\r\n" + headers +
           "\r\n" + body;
}

std::string get(const std::string& target, const std::string& headers = {}) {
    return "GET " + target + " HTTP/1.1\r\n" + host + headers + "\r\n";
}

/// A request of a normal client, answered within a second.
bool answers_promptly(const TestServer& server) {
    const auto start = std::chrono::steady_clock::now();
    return server.ask("GET", "/v1/status").status == 200 &&
           std::chrono::steady_clock::now() - start < std::chrono::seconds(1);
}

}  // namespace

TEST_CASE("hostile: malformed requests get the right status and are closed") {
    TestServer server;
    const auto status = [&](const std::string& text) { return status_of(server.raw(text)); };
    CHECK(status("\r\n\r\n\r\n") == 400);
    CHECK(status("GET /\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/2.0\r\n\r\n") == 505);
    CHECK(status("\x16\x03\x01\x02\x01\x01\x00\x01 TLS\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\r\nHost : ksms\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\r\n\r\n") == 400);
    CHECK(status("GET / HTTP/1.1\r\nHost: ksms\r\nHost: y\r\nConnection: close\r\n\r\n") == 400);
    CHECK(status("GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n") == 414);
    CHECK(status(get("/", "X: " + std::string(40'000, 'a') + "\r\n")) == 431);
    CHECK(status(post("Content-Length: 9999999\r\n", "")) == 413);
    CHECK(status(post("Content-Length: 99999999999999999999999\r\n", "")) == 400);
    CHECK(status(post("Content-Length: -1\r\n", "")) == 400);
    CHECK(status(post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}")) == 400);
    CHECK(status(post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}")) == 400);
    CHECK(status(post("Transfer-Encoding: gzip\r\n", "")) == 501);
    CHECK(status(post("Transfer-Encoding: chunked\r\nConnection: close\r\n",
                      "zz\r\n{}\r\n0\r\n\r\n")) == 400);
    CHECK(status("CONNECT x:1 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n") == 400);
    CHECK(status("GET /\xff HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n") == 400);
    CHECK(status(get("/v1/jobs/%ff", "Connection: close\r\n")) == 400);
    CHECK(status("POST /v1/jobs HTTP/1.1\r\n" + host +
                 "Connection: close\r\nContent-Length: 2\r\n"
                 "Content-Type: text/plain\r\n\r\n{}") == 415);
    for (const auto* method : {"PUT", "PATCH", "TRACE", "PROPFIND", "X", "get"})
        CHECK(status(std::string(method) + " /v1/jobs HTTP/1.1\r\n" + host +
                     "Connection: close\r\n\r\n") == 405);
    auto figures = server.figures();
    CHECK(figures.rejected(HttpRejected::too_large) == 3);
    CHECK(figures.rejected(HttpRejected::malformed) == 16);
    CHECK(figures.requests[{"other", 405}] == 6);
    CHECK(server.service().submissions == 0);
    CHECK(answers_promptly(server));
}

TEST_CASE("hostile: invalid bodies are refused, with Content-Length or chunked") {
    TestServer server;
    const auto send = [&](const std::string& body) {
        return server.raw(post(
            "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n", body));
    };
    CHECK_THAT(send("{\"a\":\"\xff\"}"), Contains("400") && Contains("UTF-8"));
    CHECK_THAT(send("{\"a\":" + std::string(500'000, '[')), Contains("levels deep"));
    CHECK_THAT(send(R"({"source":"a","source":"b"})"), Contains("twice"));
    CHECK(status_of(server.raw(post("Transfer-Encoding: chunked\r\nConnection: close\r\n",
                                    "d\r\n{\"source\":\"x\"\r\n1\r\n}\r\n0\r\n\r\n"))) == 202);
    CHECK_THAT(server.raw(post("Expect: 100-continue\r\nConnection: close\r\n"
                               "Content-Length: 14\r\n",
                               R"({"source":"y"})")),
               Contains("100 Continue") && Contains("202 Accepted"));
}

TEST_CASE("hostile: pipelined requests are answered in order, including the last") {
    TestServer server;
    std::string text;
    for (int i = 0; i < 100; ++i) text += get(i % 2 == 0 ? "/healthz" : "/nothing");
    const auto answer = server.raw(text + get("/v1/status", "Connection: close\r\n"));
    std::size_t count = 0;
    for (std::size_t at = 0; (at = answer.find("HTTP/1.1 ", at)) != std::string::npos; ++at) {
        const int wanted = count == 100 || count % 2 == 0 ? 200 : 404;
        CHECK(status_of(answer.substr(at)) == wanted);
        ++count;
    }
    CHECK(count == 101);
}

TEST_CASE("hostile: incomplete and slow requests time out and block nobody") {
    HttpLimits limits;
    limits.request = std::chrono::milliseconds(200);
    limits.idle = std::chrono::milliseconds(300);
    TestServer server(limits);
    const auto half = server.connect();
    send_all(half.get(), "GET /v1/st");
    const auto no_body = server.connect();
    send_all(no_body.get(), post("Content-Length: 100\r\n", "{"));
    const auto silent = server.connect();
    const auto slow = server.connect();
    CHECK(answers_promptly(server));
    // Bytes arrive in time one by one, but the request as a whole does not.
    send_all(slow.get(), "GET / HTTP/1.1\r\n");
    CHECK(eventually([&] { return !send_all(slow.get(), "X: y\r\n"); }));
    CHECK(status_of(receive(half.get())) == 408);
    CHECK(status_of(receive(no_body.get())) == 408);
    CHECK(receive(silent.get()).empty());
    CHECK(server.figures().rejected(HttpRejected::too_slow) == 3);

    const auto ends = server.connect();
    send_all(ends.get(), "GET /v1/st");
    ::shutdown(ends.get(), SHUT_WR);
    CHECK(status_of(receive(ends.get())) == 400);
    CHECK(eventually([&] { return server.connections() == 0; }));
}

TEST_CASE("hostile: with 1,000 idle connections another client is answered") {
    TestServer server;
    const auto before = resident_kib();
    std::vector<Fd> many;
    for (int i = 0; i < 1000; ++i) {
        many.push_back(server.connect_tcp());
        if (i % 2 == 0) send_all(many.back().get(), "POST /v1/jobs HTTP/1.1\r\nHost: ksms\r\nX: ");
        if (i % 100 == 0) CHECK(answers_promptly(server));
    }
    CHECK(answers_promptly(server));
    // All clients of the loopback port are one user.
    CHECK(server.connections() <= HttpLimits{}.connections_per_uid + 1);
    CHECK(server.figures().rejected(HttpRejected::too_many_connections) >= 900);
    const auto grown = resident_kib() - before;
    WARN("1,000 connections: " << grown << " KiB");
    CHECK(grown < 32 * 1024);
}

TEST_CASE("hostile: streams and connections over the limit get 503") {
    HttpLimits limits;
    limits.connections = 4;
    limits.connections_per_uid = 32;  // above half of the connections an eighth of this
    limits.reserved_for_root = 0;
    limits.streams_per_uid = 2;
    TestServer server(limits);
    server.run([](FakeService& service) { service.add("j", "running"); });
    std::vector<Fd> streams;
    for (int i = 0; i < 2; ++i) {
        streams.push_back(server.connect());
        send_all(streams.back().get(), get("/v1/jobs/j/events"));
    }
    CHECK(eventually([&] { return server.service().watchers == 2; }));
    const auto third = server.raw(get("/v1/jobs/j?wait=60", "Connection: close\r\n"));
    CHECK_THAT(third, Contains("503") && Contains("streams"));
    CHECK(answers_promptly(server));

    limits.streams_per_uid = 4;
    TestServer full(limits);
    full.run([](FakeService& service) { service.add("j", "running"); });
    std::vector<Fd> all;
    for (int i = 0; i < 4; ++i) {
        all.push_back(full.connect());
        send_all(all.back().get(), get("/v1/jobs/j/events"));
    }
    CHECK(eventually([&] { return full.service().watchers == 4; }));
    const auto refused = receive(full.connect().get());
    CHECK_THAT(refused, Contains("too many connections"));
    CHECK(full.figures().rejected(HttpRejected::too_many_connections) == 1);
    const auto body = refused.substr(refused.find("\r\n\r\n") + 4);
    CHECK_THAT(refused, Contains("Content-Length: " + std::to_string(body.size()) + "\r\n"));
    all.pop_back();
    CHECK(eventually([&] { return full.service().watchers == 3; }));
    CHECK(answers_promptly(full));
}

TEST_CASE("hostile: a subscriber that does not read is closed, with bounded memory") {
    HttpLimits limits;
    limits.bytes_per_uid = 1024 * 1024;
    TestServer server(limits);
    server.run([](FakeService& service) { service.add("j", "running"); });
    const auto deaf = server.connect();
    send_all(deaf.get(), get("/v1/jobs/j/events"));
    CHECK(eventually([&] { return server.service().watchers == 1; }));
    const std::string verdict(1000, 'v');
    // Many times the socket buffer, each write in its own turn of the loop.
    for (int i = 0; i < 4000 && server.service().watchers == 1; ++i)
        server.run([&](FakeService& service) { service.emit("j", "verdict", verdict); });
    CHECK(eventually([&] { return server.service().watchers == 0; }));
    CHECK(server.figures().rejected(HttpRejected::not_taken) == 1);
    CHECK(answers_promptly(server));
}

TEST_CASE("hostile: unread answers are bounded in memory and time out") {
    SKIP_IF_SANITIZED();
    HttpLimits limits;
    limits.bytes_per_uid = 4 * 1024 * 1024;
    limits.write = std::chrono::milliseconds(300);
    TestServer server(limits);
    server.run([](FakeService& service) {
        service.padding.assign(1024 * 1024, 'p');
        service.add("j", "running");
        service.finish("j");
    });
    const auto before = resident_kib();
    std::vector<Fd> deaf;
    for (int i = 0; i < 40; ++i) {
        deaf.push_back(server.connect());
        send_all(deaf.back().get(), get("/v1/jobs/j"));
    }
    CHECK(eventually([&] { return server.figures().requests.contains({"GET", 503}); }));
    const auto grown = resident_kib() - before;
    WARN("40 answers of 1 MiB that nobody takes: " << grown << " KiB");
    CHECK(grown < 32 * 1024);
    CHECK(eventually([&] { return server.figures().rejected(HttpRejected::not_taken) >= 4; }));
    CHECK(answers_promptly(server));
}

TEST_CASE("hostile: endless bodies use bounded memory") {
    SKIP_IF_SANITIZED();
    HttpLimits limits;
    limits.connections = 65;
    limits.connections_per_uid = 8 * 65;
    limits.reserved_for_root = 0;
    TestServer server(limits);
    const auto before = resident_kib();
    const auto half = post("Content-Length: 1048576\r\n", std::string(1048575, ' '));
    std::vector<Fd> clients;
    for (int i = 0; i < 64; ++i) {
        clients.push_back(server.connect());
        send_all(clients.back().get(), half);
    }
    CHECK(answers_promptly(server));
    const auto grown = resident_kib() - before;
    WARN("64 bodies of 1 MiB: " << grown << " KiB");
    CHECK(grown < 64UL * 1280);
}

TEST_CASE("hostile: with EMFILE the server neither spins nor exits, and recovers") {
    SKIP_IF_SANITIZED();
    TestServer server;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    std::vector<Fd> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(server.connect());
    CHECK(eventually([&] { return server.connections() == 4; }));
    const Fd last(::socket(AF_UNIX, SOCK_STREAM, 0));
    const Fd waiting = server.connect();
    CHECK(eventually([&] { return server.connections() == 5; }));
    const Fd another(::socket(AF_UNIX, SOCK_STREAM, 0));
    {
        // One descriptor for the connecting client, none for the server's side.
        rlimit low = before;
        low.rlim_cur = static_cast<rlim_t>(another.get());
        ::setrlimit(RLIMIT_NOFILE, &low);
        sockaddr_storage name{};
        socklen_t size = sizeof(name);
        ::getpeername(waiting.get(), reinterpret_cast<sockaddr*>(&name), &size);
        ::connect(last.get(), reinterpret_cast<sockaddr*>(&name), size);
        CHECK(eventually([&] { return server.accept_failures() >= 1; }));
        // A waiting client is accepted when another disconnects.
        clients.pop_back();
        CHECK(eventually([&] { return server.figures().accepted >= 6; }));
        CHECK(server.accept_failures() < 50);
        ::setrlimit(RLIMIT_NOFILE, &before);
    }
    CHECK(answers_promptly(server));
}

TEST_CASE("hostile: the last free descriptor serves a client, and no other is closed for it") {
    TestServer server;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const Fd first = server.connect();
    CHECK(eventually([&] { return server.connections() == 1; }));
    const Fd second(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_storage name{};
    socklen_t size = sizeof(name);
    ::getpeername(first.get(), reinterpret_cast<sockaddr*>(&name), &size);
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(Fd(::dup(second.get())).get()) + 1;
    ::setrlimit(RLIMIT_NOFILE, &low);
    ::connect(second.get(), reinterpret_cast<sockaddr*>(&name), size);
    CHECK(eventually([&] { return server.figures().accepted == 2; }));
    auto figures = server.figures();
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(server.accept_failures() == 0);
    CHECK(figures.rejected(HttpRejected::too_many_connections) == 0);
    CHECK(server.connections() == 2);
    CHECK(answers_promptly(server));
}

TEST_CASE("hostile: random bytes and broken requests") {
    HttpLimits limits;
    limits.linger = std::chrono::milliseconds(50);
    limits.request = std::chrono::milliseconds(100);
    TestServer server(limits);
    server.run([](FakeService& service) { service.add("j", "running"); });
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same bytes each time
    const std::vector<std::string> seeds{
        get("/v1/jobs/j?wait=0.01"), get("/metrics", "Accept: text/plain\r\n"),
        post("Content-Length: 14\r\n", R"({"source":"x"})"),
        post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        "DELETE /v1/jobs/j HTTP/1.1\r\nHost: ksms\r\n\r\n"};
    for (int round = 0; round < 2000; ++round) {
        auto text = round % 4 == 0 ? std::string(random() % 300, 'x') : seeds[random() % 5];
        for (auto changes = text.empty() ? 0 : 1 + random() % (round % 4 == 0 ? 300 : 4);
             changes > 0; --changes)
            text[random() % text.size()] = static_cast<char>(random());
        const auto client = server.connect();
        send_all(client.get(), text);
        ::shutdown(client.get(), SHUT_WR);
        if (round % 3 == 0) receive(client.get());
    }
    CHECK(answers_promptly(server));
    CHECK(eventually([&] { return server.connections() == 0; }));
    CHECK(server.service().watchers == 0);
}
