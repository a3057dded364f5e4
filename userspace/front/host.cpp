// SPDX-License-Identifier: BSD-2-Clause
#include "front/host.hpp"

#include <optional>
#include <utility>

#include "front/messages.hpp"
#include "http/json_body.hpp"
#include "http/problem.hpp"

namespace ksms {

using nlohmann::json;

namespace {

constexpr std::size_t longest_id = 63;

json head_of(const SubmittedJob& job) {
    return {{"id", job.id}, {"state", job.state}, {"created", job.created}};
}
json head_of(const JobDocument& job) {
    return {{"finished", job.finished}};
}
json head_of(const ServiceHealth& health) {
    return {{"healthy", health.healthy}};
}
json head_of(const CallerNames& names) {
    return {{"user", names.user}, {"member", names.member}};
}
json head_of(const std::string&) {
    return json::object();
}

std::string_view bytes_of(const SubmittedJob&) {
    return {};
}
std::string_view bytes_of(const JobDocument& job) {
    return job.json;
}
std::string_view bytes_of(const ServiceHealth& health) {
    return health.json;
}
std::string_view bytes_of(const CallerNames&) {
    return {};
}
std::string_view bytes_of(const std::string& text) {
    return text;
}

Problem busy() {
    auto problem = make_problem(503, "the service has too many questions to answer",
                                "ask again later; `ksmsctl doctor` and /healthz may say why");
    problem.retry_after = 5;
    return problem;
}

/// Whoever comes by the loopback port is told how the service is, and no more.
bool is_for_everybody(const std::string& what) {
    return what == "status" || what == "health" || what == "metrics";
}

}  // namespace

struct ServiceHost::State : std::enable_shared_from_this<ServiceHost::State> {
    State(JobService& of, Send to, Limits given)
        : service(of), send(std::move(to)), limits(given) {}

    struct Client {
        Caller caller;
        bool named{false};  ///< its names were asked for
    };

    /// To what is asked now.
    template <typename T>
    Then<T> reply(std::uint64_t number) {
        ++asked;
        return [weak = weak_from_this(), number](Answer<T> answer) {
            const auto self = weak.lock();
            if (!self) return;
            --self->asked;
            self->replied(number, answer);
        };
    }

    template <typename T>
    void replied(std::uint64_t number, const Answer<T>& answer) {
        if (!is_open) return;
        if (!answer) return send({{"reply", number}, {"problem", json_of(answer.error())}}, {});
        send({{"reply", number}, {"ok", head_of(*answer)}}, bytes_of(*answer));
    }

    void refuse(std::uint64_t number, const Problem& problem) {
        send({{"reply", number}, {"problem", json_of(problem)}}, {});
    }

    bool ask(const std::string& what, const json& head, const std::string& bytes) {
        const auto number = read_number(head, "number");
        const auto client = read_number(head, "client");
        if (!number || !client) return false;
        const auto found = clients.find(*client);
        if (found == clients.end()) return false;
        if (what == "names") return names(found->second, *number);
        const auto& caller = found->second.caller;
        if (caller.anonymous && !is_for_everybody(what)) return false;
        if (asked >= limits.asked) return refuse(*number, busy()), true;
        if (what == "submit") return submit(caller, *number, bytes);
        if (what == "jobs") {
            const auto query = read_query(head);
            if (query) service.jobs(caller, *query, reply<std::string>(*number));
            return query.has_value();
        }
        if (what == "registry") return service.registry(caller, reply<std::string>(*number)), true;
        if (what == "status") return service.status(caller, reply<std::string>(*number)), true;
        if (what == "health") return service.health(caller, reply<ServiceHealth>(*number)), true;
        if (what == "metrics") return service.metrics(caller, reply<std::string>(*number)), true;
        const auto id = read_text(head, "id");
        if (!id || id->empty() || id->size() > longest_id) return false;
        if (what == "job") return service.job(caller, *id, reply<JobDocument>(*number)), true;
        if (what == "cancel") return service.cancel(caller, *id, reply<JobDocument>(*number)), true;
        return what == "watch" &&
               watch(caller, *number, *id, read_number(head, "after").value_or(0));
    }

    bool submit(const Caller& caller, std::uint64_t number, const std::string& bytes) {
        if (!caller.may_submit) return false;
        const auto body = parse_json_body(bytes);
        if (body)
            service.submit(caller, *body, reply<SubmittedJob>(number));
        else
            refuse(number, body.error());
        return true;
    }

    /// What is learned counts here, whatever the front makes of it.
    bool names(Client& client, std::uint64_t number) {
        if (std::exchange(client.named, true)) return false;
        service.names(client.caller,
                      [weak = weak_from_this(), number,
                       which = client.caller.client](const Answer<CallerNames>& names) {
                          const auto self = weak.lock();
                          if (!self) return;
                          const auto found = self->clients.find(which);
                          if (names && found != self->clients.end()) {
                              found->second.caller.user = names->user;
                              found->second.caller.may_submit |= names->member;
                          }
                          self->replied(number, names);
                      });
        return true;
    }

    bool watch(const Caller& caller, std::uint64_t number, const std::string& id,
               std::uint64_t after) {
        if (watches.size() >= limits.watches || !watches.try_emplace(number).second) return false;
        const auto event = [weak = weak_from_this(), number](const JobEvent& one) {
            const auto self = weak.lock();
            if (!self || !self->is_open || !self->watches.contains(number)) return;
            self->send({{"event", number}, {"sequence", one.sequence}, {"name", one.name}},
                       one.data);
        };
        service.watch(caller, id, after, event,
                      [weak = weak_from_this(), number](Answer<Subscription> answer) {
                          if (const auto self = weak.lock(); self && self->is_open)
                              self->watched(number, std::move(answer));
                      });
        return true;
    }

    void watched(std::uint64_t number, Answer<Subscription> answer) {
        const auto found = watches.find(number);
        if (found == watches.end()) return;  // the front has given it up
        if (!answer) {
            watches.erase(found);
            return refuse(number, answer.error());
        }
        found->second = std::move(*answer);
        send({{"reply", number}, {"ok", json::object()}}, {});
    }

    JobService& service;
    Send send;
    Limits limits;
    std::map<std::uint64_t, Client> clients;
    std::map<std::uint64_t, Subscription> watches;
    std::size_t asked{0};
    bool is_open{true};
};

ServiceHost::ServiceHost(JobService& service, Send send, Limits limits)
    : state_(std::make_shared<State>(service, std::move(send), limits)) {}

ServiceHost::~ServiceHost() {
    state_->is_open = false;
    state_->watches.clear();
    for (const auto& [number, client] : state_->clients) state_->service.gone(client.caller);
}

bool ServiceHost::add(const Caller& caller) {
    return state_->clients.size() < state_->limits.clients &&
           state_->clients.try_emplace(caller.client, State::Client{caller}).second;
}

void ServiceHost::remove(const Caller& caller) {
    if (state_->clients.erase(caller.client) > 0) state_->service.gone(caller);
}

bool ServiceHost::take(const json& head, std::string bytes) {
    if (const auto what = read_text(head, "ask")) return state_->ask(*what, head, bytes);
    if (const auto number = read_number(head, "unwatch"))
        return state_->watches.erase(*number), true;
    const auto client = read_number(head, "gone");
    if (!client) return false;
    const auto found = state_->clients.find(*client);
    if (found != state_->clients.end()) remove(Caller(found->second.caller));
    return true;
}

}  // namespace ksms
