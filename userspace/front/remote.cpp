// SPDX-License-Identifier: BSD-2-Clause
#include "front/remote.hpp"

#include <utility>

#include "front/messages.hpp"

namespace ksms {

using nlohmann::json;

bool RemoteService::take(const json& head, std::string bytes) {
    if (const auto number = read_number(head, "event")) {
        const auto watch = watches_.find(*number);
        if (watch != watches_.end()) {
            const auto listener = watch->second;  // it may end the watch
            listener({head.value("sequence", std::uint64_t{0}), head.value("name", ""),
                      std::move(bytes)});
        }
        return true;
    }
    const auto number = read_number(head, "reply");
    if (!number) return false;
    const auto waiting = asked_.extract(*number);
    if (waiting.empty()) return true;
    if (head.contains("problem"))
        waiting.mapped()(std::unexpected(read_problem(head["problem"])));
    else
        waiting.mapped()(std::pair(head.value("ok", json::object()), std::move(bytes)));
    return true;
}

std::uint64_t RemoteService::ask(const char* what, const Caller& caller, json more,
                                 std::string bytes, std::function<void(Reply)> then) {
    const auto number = ++number_;
    more["ask"] = what;
    more["number"] = number;
    more["client"] = caller.client;
    asked_[number] = std::move(then);
    send_(more, std::move(bytes));
    return number;
}

void RemoteService::ask_text(const char* what, const Caller& caller, json more,
                             Then<std::string> then) {
    ask(what, caller, std::move(more), {}, [then = std::move(then)](Reply reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        then(std::move(reply->second));
    });
}

void RemoteService::ask_job(const char* what, const Caller& caller, const std::string& id,
                            Then<JobDocument> then) {
    ask(what, caller, {{"id", id}}, {}, [then = std::move(then)](Reply reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        const bool finished = reply->first.value("finished", false);
        then(JobDocument{std::move(reply->second), finished});
    });
}

void RemoteService::submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) {
    ask("submit", caller, json::object(), body, [then = std::move(then)](Reply reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        const auto& head = reply->first;
        then(SubmittedJob{head.value("id", ""), head.value("state", ""),
                          head.value("created", false)});
    });
}

void RemoteService::job(const Caller& caller, const std::string& id, Then<JobDocument> then) {
    ask_job("job", caller, id, std::move(then));
}

void RemoteService::jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) {
    ask_text("jobs", caller, {{"query", json_of(query)}}, std::move(then));
}

void RemoteService::cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) {
    ask_job("cancel", caller, id, std::move(then));
}

void RemoteService::watch(const Caller& caller, const std::string& id, std::uint64_t after,
                          std::function<void(const JobEvent&)> event, Then<Subscription> then) {
    const auto number = number_ + 1;  // of what is asked next
    watches_[number] = std::move(event);
    ask("watch", caller, {{"id", id}, {"after", after}}, {},
        [this, number, then = std::move(then)](Reply reply) {
            if (!reply) {
                watches_.erase(number);
                return then(std::unexpected(std::move(reply).error()));
            }
            then(Subscription([this, number] {
                watches_.erase(number);
                send_({{"unwatch", number}}, {});
            }));
        });
}

void RemoteService::registry(const Caller& caller, Then<std::string> then) {
    ask_text("registry", caller, json::object(), std::move(then));
}

void RemoteService::status(const Caller& caller, Then<std::string> then) {
    ask_text("status", caller, json::object(), std::move(then));
}

void RemoteService::health(const Caller& caller, Then<ServiceHealth> then) {
    ask("health", caller, json::object(), {}, [then = std::move(then)](Reply reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        const bool healthy = reply->first.value("healthy", true);
        then(ServiceHealth{std::move(reply->second), healthy});
    });
}

void RemoteService::metrics(const Caller& caller, Then<std::string> then) {
    ask_text("metrics", caller, json::object(), std::move(then));
}

void RemoteService::names(const Caller& caller, Then<CallerNames> then) {
    ask("names", caller, json::object(), {}, [then = std::move(then)](Reply reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        then(CallerNames{reply->first.value("user", ""), reply->first.value("member", false)});
    });
}

void RemoteService::gone(const Caller& caller) {
    send_({{"gone", caller.client}}, {});
}

}  // namespace ksms
