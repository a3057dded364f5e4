// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl's client with a ksmsd that misbehaves.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "harness.hpp"

using namespace ksms;
using namespace ksms::test;
using Catch::Contains;

namespace {

/// A listening Unix socket, removed by the destructor.
class Listener {
public:
    explicit Listener(int backlog) {
        address_.sun_family = AF_UNIX;
        path.copy(address_.sun_path, sizeof address_.sun_path - 1);
        REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0);
        REQUIRE(::listen(fd_.get(), backlog) == 0);
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { ::unlink(path.c_str()); }

    [[nodiscard]] Fd accept() const {
        return Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    [[nodiscard]] Fd connect() const {
        Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_),
                          sizeof address_) == 0);
        return fd;
    }
    const std::string path = "/tmp/ksms-listens-" + std::to_string(::getpid());

private:
    sockaddr_un address_{};
    Fd fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

}  // namespace

TEST_CASE("client: the error says why the service cannot be reached") {
    ClientOptions options;
    options.answer = std::chrono::milliseconds(50);
    const auto none = HttpClient("/nonexistent/ksmsd.sock", options).request("GET", "/");
    REQUIRE_FALSE(none);
    CHECK_THAT(none.error().message, Contains("ksmsd is not running"));
    CHECK_THAT(none.error().hint, Contains("systemctl start ksmsd"));

    TestServer server;
    server.run([](FakeService& service) { service.add("j", "running"); });
    const auto late = HttpClient(server.path(), options).request("GET", "/v1/jobs/j?wait=60");
    REQUIRE_FALSE(late);
    CHECK(late.error().err == ETIMEDOUT);
    options.answer = std::chrono::seconds(20);
    options.stopped = [] { return true; };
    CHECK(HttpClient(server.path(), options).request("GET", "/v1/jobs/j?wait=60").error().err ==
          EINTR);

    const auto error = HttpClient::error_of(server.ask("GET", "/v1/jobs/none"));
    CHECK(error.code == Code::not_found);
    CHECK(error.message == "there is no job none");
    CHECK(error.hint == "ksmsctl job list shows them");
}

TEST_CASE("client: connect is retried while the listen backlog is full") {
    const Listener listener(0);
    const Fd first = listener.connect();
    ClientOptions options;
    options.connect = std::chrono::milliseconds(50);
    const auto refused = HttpClient(listener.path, options).request("GET", "/");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().err == EAGAIN);
    CHECK_THAT(refused.error().message, Contains("ksmsd does not accept"));

    auto second = std::async(std::launch::async,
                             [&] { return HttpClient(listener.path).request("GET", "/"); });
    listener.accept().reset();
    const Fd client = listener.accept();
    receive(client.get(), "\r\n\r\n");
    send_all(client.get(), "HTTP/1.1 204 No Content\r\n\r\n");
    const auto answer = second.get();
    REQUIRE(answer);
    CHECK(answer->status == 204);
}

TEST_CASE("client: a connection closed without an answer is an error") {
    const Listener listener(1);
    std::thread service([&] { receive(listener.accept().get(), "\r\n\r\n"); });
    const auto answer = HttpClient(listener.path).request("GET", "/healthz");
    service.join();
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message == "ksmsd closed the connection without an answer");
}

TEST_CASE("client: proxy variables and redirects are ignored") {
    const Listener listener(1);
    for (const char* name : {"http_proxy", "ALL_PROXY"}) ::setenv(name, "http://127.0.0.1:1", 1);
    const Defer unset([] {
        for (const char* name : {"http_proxy", "ALL_PROXY"}) ::unsetenv(name);
    });
    auto asked = std::async(std::launch::async,
                            [&] { return HttpClient(listener.path).request("GET", "/a b/../c"); });
    const Fd client = listener.accept();
    CHECK(receive(client.get(), "\r\n\r\n") ==
          "GET /a b/../c HTTP/1.1\r\nHost: ksmsd\r\nConnection: close\r\n\r\n");
    send_all(client.get(),
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    const auto answer = asked.get();
    REQUIRE(answer);
    CHECK(answer->status == 302);
}
