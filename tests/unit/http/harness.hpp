// SPDX-License-Identifier: BSD-2-Clause
// A server with a fake service on its own thread, and a raw client.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "client/client.hpp"
#include "http/limits.hpp"
#include "http/listener.hpp"
#include "http/peer.hpp"
#include "http/server.hpp"
#include "http/service.hpp"

namespace ksms::test {

/// Jobs set by the test. Used on the server's thread only, except for atomic members.
class FakeService final : public JobService {
public:
    void submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) override;
    void job(const Caller& caller, const std::string& id, Then<JobDocument> then) override;
    void jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) override;
    void cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) override;
    void watch(const Caller& caller, const std::string& id, std::uint64_t after,
               std::function<void(const JobEvent&)> event, Then<Subscription> then) override;
    void registry(const Caller& caller, Then<std::string> then) override;
    void status(const Caller& caller, Then<std::string> then) override;
    void health(const Caller& caller, Then<ServiceHealth> then) override;
    void metrics(const Caller& caller, Then<std::string> then) override;
    void names(const Caller& caller, Then<CallerNames> then) override;
    void gone(const Caller& /*caller*/) override { ++left; }

    void add(const std::string& id, const std::string& state);
    void emit(const std::string& id, const std::string& name, const std::string& data);
    void finish(const std::string& id, const std::string& state = "done");

    std::atomic<int> watchers{0};
    std::atomic<int> submissions{0};
    std::atomic<int> left{0};  ///< connections that are closed
    bool healthy{true};
    bool silent{false};  ///< replies to nobody
    /// Delays every other reply. Set by the harness.
    std::function<void(std::function<void()>)> later;
    std::string padding;  ///< goes into every job's document
    std::string last_user;
    PeerNames* peers{nullptr};

private:
    struct Job {
        std::string state;
        nlohmann::json request;
        std::vector<JobEvent> events;
    };
    std::map<std::string, Job> jobs_;
    std::map<int, std::pair<std::string, std::function<void(const JobEvent&)>>> watchers_;
    int next_{1};
    unsigned replies_{0};
    template <typename T>
    void reply(const Then<T>& then, Answer<T> answer);
    Answer<SubmittedJob> submit_now(const Caller& caller, const std::string& text);
    Answer<JobDocument> job_now(const std::string& id);
    Answer<std::string> jobs_now(const JobQuery& query);
    Answer<JobDocument> cancel_now(const std::string& id);
    Answer<Subscription> watch_now(const std::string& id, std::uint64_t after,
                                   std::function<void(const JobEvent&)> event);
    [[nodiscard]] std::string document(const std::string& id, bool with_result) const;
};

class TestServer {
public:
    explicit TestServer(const HttpLimits& limits = {}, const std::string& group = own_group());
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;
    ~TestServer();

    /// Runs this on the server's thread and waits for it.
    void run(const std::function<void(FakeService&)>& action);
    [[nodiscard]] HttpFigures figures();
    [[nodiscard]] std::size_t connections();
    /// accept(2) calls that failed for lack of a descriptor.
    [[nodiscard]] std::uint64_t accept_failures();
    /// HttpServer::stop(); true if `done` was called within ten seconds.
    bool stop(std::chrono::milliseconds longest);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] int port() const { return port_; }
    FakeService& service();
    /// A request by HttpClient. With KSMS_ANSWERS in the environment the answer is stored there,
    /// for the test of the OpenAPI document.
    [[nodiscard]] HttpResponse ask(const std::string& method, const std::string& target,
                                   const std::string& body = {}) const;
    /// Sends a raw text and returns everything until the server closes.
    [[nodiscard]] std::string raw(const std::string& text) const;
    /// The same on the loopback port.
    [[nodiscard]] std::string raw_tcp(const std::string& text) const;
    [[nodiscard]] Fd connect() const;
    [[nodiscard]] Fd connect_tcp() const;

    static std::string own_group();

private:
    struct Inside;
    std::string directory_;
    std::string path_;
    int port_{0};
    std::unique_ptr<Inside> inside_;
};

/// False if the peer has closed.
bool send_all(int socket, const std::string& text);
/// Reads until `wanted` was received, the peer closes, or ten seconds have passed.
std::string receive(int socket, const std::string& wanted = {});
/// "HTTP/1.1 404 Not Found…" -> 404; 0 if it is no response.
int status_of(const std::string& answer);
/// The first header with this name, or "".
std::string header_of(const HttpResponse& response, const std::string& name);
/// Resident memory of this process in KiB.
std::size_t resident_kib();

}  // namespace ksms::test
