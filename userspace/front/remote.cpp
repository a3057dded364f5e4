// SPDX-License-Identifier: BSD-2-Clause
#include "front/remote.hpp"

#include <type_traits>
#include <utility>

#include "front/messages.hpp"

namespace ksms {

using nlohmann::json;

bool RemoteService::take(const json& head, std::string bytes) {
    if (const auto number = read_number(head, "event")) {
        const auto watch = watches_.find(*number);
        if (watch != watches_.end()) {
            const auto listener = watch->second;  // a copy, because the call may end the watch
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
        waiting.mapped()(std::unexpected(head["problem"].get<Problem>()));
    else
        waiting.mapped()(std::pair(head.value("ok", json::object()), std::move(bytes)));
    return true;
}

void RemoteService::ask(const char* what, const Caller& caller, json more, std::string bytes,
                        std::function<void(Reply)> then) {
    const auto number = ++number_;
    more["ask"] = what;
    more["number"] = number;
    more["client"] = caller.client;
    asked_[number] = std::move(then);
    send_(more, std::move(bytes));
}

namespace {

/// Passes the value on that a reply's head and its document are, or the problem.
template <typename T>
auto unpacked(Then<T> then) {
    return [then = std::move(then)](Answer<std::pair<json, std::string>> reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        auto& [head, document] = *reply;
        if constexpr (std::is_same_v<T, std::string>) {
            then(std::move(document));
        } else {
            auto value = head.template get<T>();
            if constexpr (requires { value.json; }) value.json = std::move(document);
            then(std::move(value));
        }
    };
}

}  // namespace

void RemoteService::submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) {
    ask("submit", caller, json::object(), body, unpacked(std::move(then)));
}

void RemoteService::job(const Caller& caller, const std::string& id, Then<JobDocument> then) {
    ask("job", caller, {{"id", id}}, {}, unpacked(std::move(then)));
}

void RemoteService::jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) {
    ask("jobs", caller, {{"query", json_of(query)}}, {}, unpacked(std::move(then)));
}

void RemoteService::cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) {
    ask("cancel", caller, {{"id", id}}, {}, unpacked(std::move(then)));
}

void RemoteService::watch(const Caller& caller, const std::string& id, std::uint64_t after,
                          std::function<void(const JobEvent&)> event, Then<Subscription> then) {
    const auto number = number_ + 1;  // that ask() gives to this question
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
    ask("registry", caller, json::object(), {}, unpacked(std::move(then)));
}

void RemoteService::status(const Caller& caller, Then<std::string> then) {
    ask("status", caller, json::object(), {}, unpacked(std::move(then)));
}

void RemoteService::health(const Caller& caller, Then<ServiceHealth> then) {
    ask("health", caller, json::object(), {}, unpacked(std::move(then)));
}

void RemoteService::metrics(const Caller& caller, Then<std::string> then) {
    ask("metrics", caller, json::object(), {}, unpacked(std::move(then)));
}

void RemoteService::names(const Caller& caller, Then<CallerNames> then) {
    ask("names", caller, json::object(), {}, unpacked(std::move(then)));
}

void RemoteService::gone(const Caller& caller) {
    send_({{"gone", caller.client}}, {});
}

}  // namespace ksms
