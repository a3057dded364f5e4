// SPDX-License-Identifier: BSD-2-Clause
// Requests of the front process to ksmsd arrive unchanged, as do the answers. A compromised front
// process learns and does only what its clients may.
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <utility>

#include "front/frames.hpp"
#include "front/host.hpp"
#include "front/messages.hpp"
#include "front/remote.hpp"

using namespace ksms;
using nlohmann::json;

namespace {

/// Records each request and answers with it.
class Echo final : public JobService {
public:
    void submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) override {
        asked = "submit " + caller.user + " " + body;
        then(SubmittedJob{"new", "queued", true});
    }
    void job(const Caller& caller, const std::string& id, Then<JobDocument> then) override {
        asked = "job " + caller.user + " " + id;
        if (id == "none") {
            Problem problem{404, "about:blank", "Not Found", "no job none", "look", 7U};
            return then(std::unexpected(problem));
        }
        then(JobDocument{std::string(100'000, 'j'), true});
    }
    void jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) override {
        asked = "jobs " + caller.user + " " + query.state.value_or("-") + " " +
                query.type.value_or("-") + " " + query.user.value_or("-") + " " +
                std::to_string(query.limit) + " " + query.before;
        then("[]");
    }
    void cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) override {
        asked = "cancel " + caller.user + " " + id;
        then(JobDocument{"{}", false});
    }
    void watch(const Caller&, const std::string& id, std::uint64_t after,
               std::function<void(const JobEvent&)> event, Then<Subscription> then) override {
        asked = "watch " + id + " " + std::to_string(after);
        event({1, "state", "\"first\""});
        listener = std::move(event);
        then(Subscription([this] { listener = nullptr; }));
    }
    void registry(const Caller&, Then<std::string> then) override { then("registry"); }
    void status(const Caller&, Then<std::string> then) override { then("status"); }
    void health(const Caller&, Then<ServiceHealth> then) override {
        then(ServiceHealth{"health", false});
    }
    void metrics(const Caller&, Then<std::string> then) override { then("metrics"); }
    void names(const Caller& caller, Then<CallerNames> then) override {
        then(CallerNames{"user" + std::to_string(caller.uid), caller.uid == 1000});
    }
    void gone(const Caller& caller) override { left += std::to_string(caller.client) + " "; }

    std::string asked, left;
    std::function<void(const JobEvent&)> listener;
};

Caller somebody(std::uint64_t client, uid_t uid) {
    Caller caller;
    caller.client = client;
    caller.uid = uid;
    caller.user = std::to_string(uid);
    caller.trusted = caller.may_submit = uid == 0;
    return caller;
}

struct Wired {
    Wired() {
        std::array<int, 2> pair{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
        service_side = std::make_unique<Frames>(
            io, Fd(pair[0]), Frames::Limits{},
            [this](const json& head, const std::string& bytes) {
                if (!host.take(head, bytes)) broken = true;
            },
            [](const std::string&) {});
        front_side = std::make_unique<Frames>(
            io, Fd(pair[1]), Frames::Limits{},
            [this](const json& head, std::string bytes) { remote.take(head, std::move(bytes)); },
            [](const std::string&) {});
        REQUIRE(host.add(root));
        REQUIRE(host.add(member));
        REQUIRE(host.add(stranger));
    }
    /// Runs until no message is pending.
    void settle() {
        for (int idle = 0; idle < 3;) {
            io.restart();
            idle = io.poll() > 0 ? 0 : idle + 1;
        }
    }

    boost::asio::io_context io;
    Echo service;
    bool broken{false};
    std::unique_ptr<Frames> service_side, front_side;
    ServiceHost host{service,
                     {[this](const json& head, std::string bytes) {
                          service_side->send(head, std::move(bytes));
                      },
                      [this] { return service_side->pending(); }}};
    RemoteService remote{
        [this](const json& head, std::string bytes) { front_side->send(head, std::move(bytes)); }};
    Caller root = somebody(1, 0), member = somebody(2, 1000), stranger = somebody(3, 1001);
};

}  // namespace

TEST_CASE("front: questions and answers arrive unchanged") {
    Wired wired;
    auto& [io, service, broken, a, b, host, remote, root, member, stranger] = wired;
    std::string got;
    remote.submit(root, R"({"source": 1e14})", [&](Answer<SubmittedJob> job) {
        got = job->id + job->state + (job->created ? "+" : "-");
    });
    wired.settle();
    CHECK(service.asked == R"(submit 0 {"source": 1e14})");
    CHECK(got == "newqueued+");
    remote.job(root, "j", [&](Answer<JobDocument> job) {
        got = std::to_string(job->json.size()) + (job->finished ? "+" : "-");
    });
    wired.settle();
    CHECK(service.asked == "job 0 j");
    CHECK(got == "100000+");
    std::optional<Problem> problem;
    remote.job(root, "none", [&](const Answer<JobDocument>& job) {
        if (!job) problem = job.error();
    });
    wired.settle();
    REQUIRE(problem);
    CHECK(problem->status == 404);
    CHECK(problem->detail == "no job none");
    CHECK(problem->hint == "look");
    CHECK(problem->retry_after == 7U);
    remote.jobs(root, {"done", "fast", "u", 5, "17"},
                [&](Answer<std::string> page) { got = *page; });
    wired.settle();
    CHECK(service.asked == "jobs 0 done fast u 5 17");
    CHECK(got == "[]");
    remote.cancel(root, "j", [&](Answer<JobDocument> job) { got = job->finished ? "+" : "-"; });
    wired.settle();
    CHECK(service.asked == "cancel 0 j");
    CHECK(got == "-");
    remote.registry(root, [&](Answer<std::string> text) { got = *text; });
    wired.settle();
    CHECK(got == "registry");
    remote.status(root, [&](Answer<std::string> text) { got = *text; });
    wired.settle();
    CHECK(got == "status");
    remote.health(root, [&](Answer<ServiceHealth> health) {
        got = health->json + (health->healthy ? "+" : "-");
    });
    wired.settle();
    CHECK(got == "health-");
    remote.metrics(root, [&](Answer<std::string> text) { got = *text; });
    wired.settle();
    CHECK(got == "metrics");
    remote.gone(stranger);
    wired.settle();
    CHECK(service.left == "3 ");
    CHECK_FALSE(broken);
}

TEST_CASE("front: an event subscription starts, delivers and ends") {
    Wired wired;
    auto& [io, service, broken, a, b, host, remote, root, member, stranger] = wired;
    std::vector<std::string> events;
    std::optional<Subscription> subscription;
    remote.watch(
        root, "j", 4,
        [&](const JobEvent& event) {
            events.push_back(std::to_string(event.sequence) + event.name + event.data);
        },
        [&](Answer<Subscription> answer) {
            events.emplace_back("begun");
            subscription = std::move(*answer);
        });
    wired.settle();
    CHECK(service.asked == "watch j 4");
    REQUIRE(service.listener);
    service.listener({2, "progress", "{}"});
    wired.settle();
    CHECK(events == std::vector<std::string>{"1state\"first\"", "begun", "2progress{}"});
    subscription.reset();
    wired.settle();
    CHECK_FALSE(service.listener);
    CHECK_FALSE(broken);
}

TEST_CASE("front: job names are checked once, and only if required") {
    Wired wired;
    auto& [io, service, broken, a, b, host, remote, root, member, stranger] = wired;
    std::string got;
    remote.names(member, [&](Answer<CallerNames> names) {
        got = names->user + (names->member ? "+" : "-");
    });
    wired.settle();
    CHECK(got == "user1000+");
    // Membership comes from the user database, not from the request.
    remote.submit(member, "{}", [&](Answer<SubmittedJob> job) { got = job->id; });
    wired.settle();
    CHECK(service.asked == "submit user1000 {}");
    CHECK_FALSE(broken);
    remote.names(member, [](Answer<CallerNames>) {});
    wired.settle();
    CHECK(broken);
}

TEST_CASE("front: a front process that claims a false peer is detected") {
    Wired wired;
    auto& [io, service, broken, a, b, host, remote, root, member, stranger] = wired;
    auto nobody = somebody(4, 1002);
    nobody.anonymous = true;
    REQUIRE(host.add(nobody));
    const std::vector<std::pair<json, std::string>> lies{
        {{{"ask", "submit"}, {"number", 1U}, {"client", 3U}}, "{}"},
        {{{"ask", "submit"}, {"number", 1U}, {"client", 99U}}, "{}"},
        {{{"ask", "submit"}, {"number", 1U}, {"client", "1"}}, "{}"},
        {{{"ask", "submit"}, {"client", 1U}}, "{}"},
        {{{"ask", "job"}, {"number", 1U}, {"client", 4U}, {"id", "j"}}, ""},
        {{{"ask", "job"}, {"number", 1U}, {"client", 1U}}, ""},
        {{{"ask", "job"}, {"number", 1U}, {"client", 1U}, {"id", std::string(64, 'j')}}, ""},
        {{{"ask", "jobs"}, {"number", 1U}, {"client", 1U}}, ""},
        {{{"ask", "jobs"}, {"number", 1U}, {"client", 1U}, {"query", {{"limit", 1001UL}}}}, ""},
        {{{"ask", "jobs"}, {"number", 1U}, {"client", 1U}, {"query", {{"limit", 4294967297UL}}}},
         ""},
        {{{"ask", "jobs"},
          {"number", 1U},
          {"client", 1U},
          {"query", {{"limit", 1U}, {"state", "over"}}}},
         ""},
        {{{"ask", "jobs"},
          {"number", 1U},
          {"client", 1U},
          {"query", {{"limit", 1U}, {"type", "slow"}}}},
         ""},
        {{{"ask", "everything"}, {"number", 1U}, {"client", 1U}, {"id", "j"}}, ""},
        {{{"ask", 7}}, ""},
        {json::object(), ""},
    };
    for (const auto& [head, bytes] : lies) {
        INFO(head.dump());
        service.asked = {};
        CHECK_FALSE(host.take(head, bytes));
        CHECK(service.asked.empty());
    }
    // Requests that any client may make are answered.
    CHECK(host.take({{"ask", "submit"}, {"number", 1U}, {"client", 1U}}, "no JSON"));
    CHECK(service.asked == "submit 0 no JSON");
    CHECK(host.take({{"ask", "status"}, {"number", 2U}, {"client", 4U}}, ""));
}

TEST_CASE("front: too many questions get 503, too many clients end the front process") {
    Echo service;
    std::vector<json> replies;
    class Silent final : public JobService {
    public:
        void submit(const Caller&, const std::string&, Then<SubmittedJob>) override {}
        void job(const Caller&, const std::string&, Then<JobDocument>) override { ++asked; }
        void jobs(const Caller&, const JobQuery&, Then<std::string>) override {}
        void cancel(const Caller&, const std::string&, Then<JobDocument>) override {}
        void watch(const Caller&, const std::string&, std::uint64_t,
                   std::function<void(const JobEvent&)>, Then<Subscription>) override {}
        void registry(const Caller&, Then<std::string>) override {}
        void status(const Caller&, Then<std::string>) override {}
        void health(const Caller&, Then<ServiceHealth>) override {}
        void metrics(const Caller&, Then<std::string>) override {}
        void names(const Caller&, Then<CallerNames>) override {}
        void gone(const Caller&) override {}
        int asked{0};
    } silent;
    ServiceHost host(silent,
                     {[&](const json& head, const std::string&) { replies.push_back(head); },
                      [] { return std::size_t{0}; }},
                     {.clients = 2, .asked = 3, .watches = 2});
    CHECK(host.add(somebody(1, 0)));
    CHECK(host.add(somebody(2, 0)));
    CHECK_FALSE(host.add(somebody(3, 0)));
    CHECK_FALSE(host.add(somebody(1, 0)));
    for (unsigned number = 1; number <= 5; ++number)
        CHECK(host.take({{"ask", "job"}, {"number", number}, {"client", 1U}, {"id", "j"}}, ""));
    CHECK(silent.asked == 3);
    REQUIRE(replies.size() == 2);
    CHECK(replies[1]["problem"]["status"] == 503);
    CHECK(host.take({{"gone", 2U}}, ""));
    CHECK(host.add(somebody(3, 0)));
    CHECK_FALSE(host.add(somebody(4, 0)));
    // A client that could not be handed over takes no place.
    host.remove(somebody(3, 0));
    CHECK(host.add(somebody(4, 0)));
}

TEST_CASE("front: long requests queue per user, short ones do not") {
    class Slow final : public JobService {
    public:
        void submit(const Caller&, const std::string&, Then<SubmittedJob>) override {}
        void job(const Caller&, const std::string& id, Then<JobDocument> then) override {
            asked += id + " ";
            reply = [then] { then(JobDocument{"{}", false}); };
        }
        void jobs(const Caller&, const JobQuery&, Then<std::string>) override {}
        void cancel(const Caller&, const std::string&, Then<JobDocument>) override {}
        void watch(const Caller&, const std::string&, std::uint64_t,
                   std::function<void(const JobEvent&)>, Then<Subscription>) override {}
        void registry(const Caller&, Then<std::string>) override {}
        void status(const Caller&, Then<std::string> then) override { then("status"); }
        void health(const Caller&, Then<ServiceHealth>) override {}
        void metrics(const Caller&, Then<std::string>) override {}
        void names(const Caller&, Then<CallerNames>) override {}
        void gone(const Caller&) override {}
        std::string asked;
        std::function<void()> reply;
    } slow;
    std::vector<std::uint64_t> replied;
    std::size_t pending = 0;
    ServiceHost host(slow,
                     {[&](const json& head, const std::string&) {
                          replied.push_back(head["reply"].get<std::uint64_t>());
                      },
                      [&pending] { return pending; }},
                     {.long_ones = 1, .pending = 100});
    REQUIRE(host.add(somebody(1, 0)));
    REQUIRE(host.add(somebody(2, 1000)));
    REQUIRE(host.add(somebody(3, 1000)));
    const auto answer = [&slow] { std::exchange(slow.reply, nullptr)(); };
    std::uint64_t number = 0;
    const auto ask = [&](std::uint64_t client, const std::string& id) {
        ++number;
        REQUIRE(
            host.take({{"ask", "job"}, {"number", number}, {"client", client}, {"id", id}}, ""));
    };
    for (const char* id : {"a1", "a2", "a3"}) ask(1, id);
    ask(2, "b1");
    ask(3, "b2");
    ask(2, "b3");
    CHECK(slow.asked == "a1 ");
    REQUIRE(host.take({{"ask", "status"}, {"number", 7U}, {"client", 1U}}, ""));
    CHECK(replied == std::vector<std::uint64_t>{7});
    answer();
    answer();
    CHECK(slow.asked == "a1 b1 a2 ");
    // A request of a client that disconnected meanwhile is not executed, but gets a reply.
    REQUIRE(host.take({{"gone", 3U}}, ""));
    pending = 100;
    answer();
    CHECK(slow.asked == "a1 b1 a2 ");
    pending = 99;
    host.go_on();
    CHECK(slow.asked == "a1 b1 a2 a3 ");
    answer();
    CHECK(slow.asked == "a1 b1 a2 a3 b3 ");
    answer();
    CHECK(replied == std::vector<std::uint64_t>{7, 1, 4, 2, 5, 3, 6});
}
