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

namespace {

/// Passes a problem on, and of a success what `make` makes of its head and the bytes behind it.
template <typename T, typename Make>
auto unpacked(Then<T> then, Make make) {
    return [then = std::move(then), make](Answer<std::pair<json, std::string>> reply) {
        if (!reply) return then(std::unexpected(std::move(reply).error()));
        then(make(reply->first, std::move(reply->second)));
    };
}

}  // namespace

void RemoteService::ask_text(const char* what, const Caller& caller, json more,
                             Then<std::string> then) {
    ask(what, caller, std::move(more), {},
        unpacked(std::move(then), [](const json&, std::string bytes) { return bytes; }));
}

void RemoteService::ask_job(const char* what, const Caller& caller, const std::string& id,
                            Then<JobDocument> then) {
    ask(what, caller, {{"id", id}}, {},
        unpacked(std::move(then), [](const json& head, std::string bytes) {
            return JobDocument{std::move(bytes), head.value("finished", false)};
        }));
}

void RemoteService::submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) {
    ask("submit", caller, json::object(), body,
        unpacked(std::move(then), [](const json& head, const std::string&) {
            return SubmittedJob{head.value("id", ""), head.value("state", ""),
                                head.value("created", false)};
        }));
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
    ask("health", caller, json::object(), {},
        unpacked(std::move(then), [](const json& head, std::string bytes) {
            return ServiceHealth{std::move(bytes), head.value("healthy", true)};
        }));
}

void RemoteService::metrics(const Caller& caller, Then<std::string> then) {
    ask_text("metrics", caller, json::object(), std::move(then));
}

void RemoteService::names(const Caller& caller, Then<CallerNames> then) {
    ask("names", caller, json::object(), {},
        unpacked(std::move(then), [](const json& head, const std::string&) {
            return CallerNames{head.value("user", ""), head.value("member", false)};
        }));
}

void RemoteService::gone(const Caller& caller) {
    send_({{"gone", caller.client}}, {});
}

}  // namespace ksms
