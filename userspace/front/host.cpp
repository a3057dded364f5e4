// SPDX-License-Identifier: BSD-2-Clause
#include "front/host.hpp"

#include <deque>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "front/messages.hpp"
#include "http/problem.hpp"

namespace ksms {

using nlohmann::json;

namespace {

constexpr std::size_t longest_id = 63;

/// The head of an answer; a text has none.
template <typename T>
json head_of(const T& answer) {
    if constexpr (std::is_same_v<T, std::string>)
        return json::object();
    else
        return answer;
}

/// The document of an answer, "" if it has none.
template <typename T>
std::string document_of(T&& answer) {
    if constexpr (std::is_same_v<T, std::string>)
        return std::forward<T>(answer);
    else if constexpr (requires { answer.json; })
        return std::move(answer.json);
    else
        return {};
}

Problem busy() {
    return not_now(5, "the service has too many questions to answer",
                   "ask again later; `ksmsctl doctor` and /healthz may say why");
}

/// What anonymous callers may ask.
bool is_for_everybody(const std::string& what) {
    return what == "status" || what == "health" || what == "metrics";
}

}  // namespace

struct ServiceHost::State : std::enable_shared_from_this<ServiceHost::State> {
    State(JobService& of, Way to, Limits given) : service(of), way(std::move(to)), limits(given) {}

    struct Client {
        Caller caller;
        bool named{false};  ///< its names were looked up
    };

    /// For a question that the service answers at once.
    template <typename T>
    Then<T> reply(std::uint64_t number) {
        return [weak = weak_from_this(), number](Answer<T> answer) {
            if (const auto self = weak.lock()) self->replied(number, std::move(answer));
        };
    }

    /// For a question that may take time. Counted for the uid until the answer comes.
    template <typename T>
    Then<T> late_reply(uid_t uid, std::uint64_t number) {
        ++asked[uid];
        return [weak = weak_from_this(), uid, number](Answer<T> answer) {
            const auto self = weak.lock();
            if (!self) return;
            self->no_longer_asked(uid);
            self->replied(number, std::move(answer));
        };
    }

    void no_longer_asked(uid_t uid) {
        const auto found = asked.find(uid);
        if (found != asked.end() && --found->second == 0) asked.erase(found);
    }

    template <typename T>
    void replied(std::uint64_t number, Answer<T> answer) {
        if (!is_open) return;
        if (!answer) return send({{"reply", number}, {"problem", answer.error()}}, {});
        const auto head = head_of(*answer);
        send({{"reply", number}, {"ok", head}}, document_of(std::move(*answer)));
    }

    void send(const json& head, std::string bytes) const { way.send(head, std::move(bytes)); }

    /// A question with a long answer. It waits for its user's turn.
    struct Turn {
        std::uint64_t client;
        std::uint64_t number;
        std::function<void(const Caller&)> ask;
    };

    void queue(const Caller& caller, std::uint64_t number, std::function<void(const Caller&)> ask) {
        ++asked[caller.uid];
        turns[caller.uid].push_back({caller.client, number, std::move(ask)});
        go_on();
    }

    /// Asks queued questions; users take turns. Not recursive, although an answer may come at once.
    void go_on() {
        if (std::exchange(going_on, true)) return;
        const Defer over([this] { going_on = false; });
        while (!turns.empty() && long_ones < limits.long_ones && way.pending() < limits.pending) {
            auto user = turns.upper_bound(last_user);
            if (user == turns.end()) user = turns.begin();
            last_user = user->first;
            const auto turn = std::move(user->second.front());
            user->second.pop_front();
            if (user->second.empty()) turns.erase(user);
            no_longer_asked(last_user);
            const auto found = clients.find(turn.client);
            if (found != clients.end()) {
                turn.ask(found->second.caller);
            } else {  // the client is gone
                watches.erase(turn.number);
                refuse(turn.number, busy());
            }
        }
    }

    /// For a question that is asked in a turn.
    template <typename T>
    Then<T> long_reply(uid_t uid, std::uint64_t number) {
        ++long_ones;
        return [weak = weak_from_this(), then = late_reply<T>(uid, number)](Answer<T> answer) {
            const auto self = weak.lock();
            if (!self) return;
            --self->long_ones;
            then(std::move(answer));
            self->go_on();
        };
    }

    void refuse(std::uint64_t number, const Problem& problem) {
        send({{"reply", number}, {"problem", problem}}, {});
    }

    bool ask(const std::string& what, const json& head, const std::string& bytes) {
        const auto number = read_number(head, "number");
        const auto client = read_number(head, "client");
        if (!number || !client) return false;
        const auto found = clients.find(*client);
        if (found == clients.end()) return false;
        if (what == "names")
            return !found->second.caller.anonymous && names(found->second, *number);
        const auto& caller = found->second.caller;
        if (caller.anonymous && !is_for_everybody(what)) return false;
        if (what == "registry") return service.registry(caller, reply<std::string>(*number)), true;
        if (what == "status") return service.status(caller, reply<std::string>(*number)), true;
        if (what == "health") return service.health(caller, reply<ServiceHealth>(*number)), true;
        if (what == "metrics") return service.metrics(caller, reply<std::string>(*number)), true;
        const auto uid = caller.uid;
        const auto already = asked.find(uid);
        if (already != asked.end() && already->second >= limits.asked)
            return refuse(*number, busy()), true;
        if (what == "submit" && !caller.may_submit) return false;
        if (what == "submit")
            return service.submit(caller, bytes, late_reply<SubmittedJob>(uid, *number)), true;
        if (what == "jobs") {
            const auto query = read_query(head);
            if (!query) return false;
            queue(caller, *number, [this, number = *number, query = *query](const Caller& who) {
                service.jobs(who, query, long_reply<std::string>(who.uid, number));
            });
            return true;
        }
        const auto id = read_text(head, "id");
        if (!id || id->empty() || id->size() > longest_id) return false;
        if (what == "job") {
            queue(caller, *number, [this, number = *number, id = *id](const Caller& who) {
                service.job(who, id, long_reply<JobDocument>(who.uid, number));
            });
            return true;
        }
        if (what == "cancel")
            return service.cancel(caller, *id, late_reply<JobDocument>(uid, *number)), true;
        return what == "watch" &&
               watch(caller, *number, *id, read_number(head, "after").value_or(0));
    }

    /// ksmsd uses the names itself and does not trust the front with them.
    bool names(Client& client, std::uint64_t number) {
        if (std::exchange(client.named, true)) return false;
        service.names(client.caller, [weak = weak_from_this(), number,
                                      which = client.caller.client](Answer<CallerNames> names) {
            const auto self = weak.lock();
            if (!self) return;
            const auto found = self->clients.find(which);
            if (names && found != self->clients.end()) {
                found->second.caller.user = names->user;
                found->second.caller.may_submit |= names->member;
            }
            self->replied(number, std::move(names));
        });
        return true;
    }

    bool watch(const Caller& caller, std::uint64_t number, const std::string& id,
               std::uint64_t after) {
        if (watches.size() >= limits.watches || !watches.try_emplace(number).second) return false;
        // The first events are in memory and usually smaller than a document, so they need no turn.
        if (way.pending() < limits.pending) return begin_watch(caller, number, id, after), true;
        queue(caller, number, [this, number, id, after](const Caller& who) {
            if (watches.contains(number)) begin_watch(who, number, id, after);
        });
        return true;
    }

    void begin_watch(const Caller& caller, std::uint64_t number, const std::string& id,
                     std::uint64_t after) {
        const auto event = [weak = weak_from_this(), number](const JobEvent& one) {
            const auto self = weak.lock();
            if (!self || !self->is_open || !self->watches.contains(number)) return;
            self->send({{"event", number}, {"sequence", one.sequence}, {"name", one.name}},
                       one.data);
        };
        ++asked[caller.uid];
        service.watch(
            caller, id, after, event,
            [weak = weak_from_this(), uid = caller.uid, number](Answer<Subscription> answer) {
                const auto self = weak.lock();
                if (!self) return;
                self->no_longer_asked(uid);
                if (self->is_open) self->watched(number, std::move(answer));
            });
    }

    void watched(std::uint64_t number, Answer<Subscription> answer) {
        const auto found = watches.find(number);
        if (found == watches.end()) return;  // the front has ended the watch
        if (!answer) {
            watches.erase(found);
            return refuse(number, answer.error());
        }
        found->second = std::move(*answer);
        send({{"reply", number}, {"ok", json::object()}}, {});
    }

    JobService& service;
    Way way;
    Limits limits;
    std::map<std::uint64_t, Client> clients;
    std::map<std::uint64_t, Subscription> watches;
    std::map<uid_t, std::deque<Turn>> turns;
    uid_t last_user{0};
    std::map<uid_t, std::size_t> asked;  ///< unanswered questions, including queued ones
    std::size_t long_ones{0};            ///< of those, long ones that are being answered
    bool going_on{false};
    bool is_open{true};
};

ServiceHost::ServiceHost(JobService& service, Way way, Limits limits)
    : state_(std::make_shared<State>(service, std::move(way), limits)) {}

ServiceHost::~ServiceHost() {
    state_->is_open = false;
    state_->turns.clear();
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

bool ServiceHost::take(const json& head, const std::string& bytes) {
    if (const auto what = read_text(head, "ask")) return state_->ask(*what, head, bytes);
    if (const auto number = read_number(head, "unwatch"))
        return state_->watches.erase(*number), true;
    const auto client = read_number(head, "gone");
    if (!client) return false;
    const auto found = state_->clients.find(*client);
    if (found != state_->clients.end()) remove(Caller(found->second.caller));
    return true;
}

void ServiceHost::go_on() {
    state_->go_on();
}

}  // namespace ksms
