// SPDX-License-Identifier: BSD-2-Clause
#include "harness.hpp"

#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>
#include <thread>

namespace ksms::test {

namespace asio = boost::asio;

struct TestServer::Inside {
    asio::io_context io;
    FakeService service;
    std::unique_ptr<PeerNames> peers;
    std::unique_ptr<HttpServer> server;
    std::unique_ptr<HttpListener> listener;
    asio::executor_work_guard<asio::io_context::executor_type> work{asio::make_work_guard(io)};
    std::thread thread;
};

namespace {

Fd listening_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0 ||
        ::listen(socket.get(), 1024) < 0)
        throw std::runtime_error("listen at " + path);
    return socket;
}

Fd listening_tcp(int& port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 ||
        ::listen(socket.get(), 64) < 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0)
        throw std::runtime_error("listen at 127.0.0.1");
    port = ntohs(address.sin_port);
    return socket;
}

void keep_answer(const std::string& method, const std::string& target,
                 const HttpResponse& response) {
    const char* directory = std::getenv("KSMS_ANSWERS");
    if (directory == nullptr) return;
    static std::atomic<int> number{0};
    nlohmann::json headers = nlohmann::json::object();
    for (const auto& [name, value] : response.headers) headers[name] = value;
    const nlohmann::json kept{{"method", method},          {"target", target},
                              {"status", response.status}, {"headers", headers},
                              {"body", response.body},     {"type", response.content_type}};
    std::ofstream(std::string(directory) + "/" + std::to_string(::getpid()) + "-" +
                  std::to_string(number++) + ".json")
        << kept;
}

}  // namespace

std::string TestServer::own_group() {
    const auto* entry = ::getgrgid(::getegid());
    return entry != nullptr ? entry->gr_name : "ksms";
}

TestServer::TestServer(const HttpLimits& limits, const std::string& group)
    : inside_(std::make_unique<Inside>()) {
    std::string name = std::filesystem::temp_directory_path() / "ksms-http-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("make " + name);
    directory_ = name;
    path_ = directory_ + "/ksmsd.sock";
    inside_->service.later = [this](auto reply) { asio::post(inside_->io, std::move(reply)); };
    inside_->peers = std::make_unique<PeerNames>(inside_->io, group);
    inside_->service.peers = inside_->peers.get();
    inside_->server = std::make_unique<HttpServer>(
        inside_->io, inside_->service,
        HttpPage{"<!doctype html><title>ksms</title>\n", "c3R5bGU=", "c2NyaXB0"}, limits);
    inside_->listener = std::make_unique<HttpListener>(
        inside_->io, *inside_->peers, limits.accept_pause, [this](Fd socket, const Caller& caller) {
            inside_->server->take(std::move(socket), caller);
        });
    if (!inside_->listener->listen(listening_unix(path_)) ||
        !inside_->listener->listen(listening_tcp(port_)))
        throw std::runtime_error("the server does not listen");
    inside_->thread = std::thread([this] { inside_->io.run(); });
}

TestServer::~TestServer() {
    run([&](FakeService&) {
        inside_->listener.reset();
        inside_->server.reset();
    });
    inside_->work.reset();
    inside_->io.stop();
    inside_->thread.join();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

FakeService& TestServer::service() {
    return inside_->service;
}

void TestServer::run(const std::function<void(FakeService&)>& action) {
    std::promise<void> done;
    asio::post(inside_->io, [&] {
        action(inside_->service);
        done.set_value();
    });
    done.get_future().get();
}

HttpFigures TestServer::figures() {
    HttpFigures figures;
    run([&](FakeService&) { figures = inside_->server->figures(); });
    return figures;
}

std::uint64_t TestServer::accept_failures() {
    std::uint64_t count = 0;
    run([&](FakeService&) { count = inside_->listener->failures(); });
    return count;
}

std::size_t TestServer::connections() {
    std::size_t count = 0;
    run([&](FakeService&) { count = inside_->server->connections(); });
    return count;
}

bool TestServer::stop(std::chrono::milliseconds longest) {
    auto done = std::make_shared<std::promise<void>>();
    run([&](FakeService&) {
        inside_->listener->stop();
        inside_->server->stop(longest, [done] { done->set_value(); });
    });
    return done->get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
}

HttpResponse TestServer::ask(const std::string& method, const std::string& target,
                             const std::string& body) const {
    ClientOptions options;
    options.answer = std::chrono::seconds(20);
    auto response = HttpClient(path_, options).request(method, target, body);
    if (!response) throw std::runtime_error(method + " " + target + ": " + response.error().text());
    keep_answer(method, target, *response);
    return *response;
}

Fd TestServer::connect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0)
        throw std::runtime_error("connect to " + path_);
    return socket;
}

std::string TestServer::raw(const std::string& text) const {
    const auto socket = connect();
    send_all(socket.get(), text);
    return receive(socket.get());
}

Fd TestServer::connect_tcp() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0)
        throw std::runtime_error("connect to the loopback port");
    return socket;
}

std::string TestServer::raw_tcp(const std::string& text) const {
    const auto socket = connect_tcp();
    send_all(socket.get(), text);
    return receive(socket.get());
}

bool send_all(int socket, const std::string& text) {
    for (std::size_t sent = 0; sent < text.size();) {
        const auto now = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (now < 0) return false;
        sent += static_cast<std::size_t>(now);
    }
    return true;
}

std::string receive(int socket, const std::string& wanted) {
    std::string text;
    std::string piece(65536, '\0');
    while (wanted.empty() || text.find(wanted) == std::string::npos) {
        pollfd entry{socket, POLLIN, 0};
        if (::poll(&entry, 1, 10'000) <= 0) return text + "(nothing for ten seconds)";
        const auto got = ::recv(socket, piece.data(), piece.size(), 0);
        if (got <= 0) break;
        text.append(piece, 0, static_cast<std::size_t>(got));
    }
    return text;
}

int status_of(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

std::string header_of(const HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers)
        if (same_token(key, name)) return value;
    return {};
}

std::size_t resident_kib() {
    std::ifstream file("/proc/self/status");
    for (std::string word; file >> word;)
        if (word == "VmRSS:") {
            std::size_t kib = 0;
            file >> kib;
            return kib;
        }
    return 0;
}

}  // namespace ksms::test
