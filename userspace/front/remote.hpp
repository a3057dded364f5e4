// SPDX-License-Identifier: BSD-2-Clause
// The JobService of the HTTP process: forwards each call to ksmsd as a message.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "http/service.hpp"

namespace ksms {

class RemoteService final : public JobService {
public:
    using Send = std::function<void(const nlohmann::json& head, std::string bytes)>;

    /// @param send  sends a message to ksmsd
    explicit RemoteService(Send send) : send_(std::move(send)) {}

    /// Handles a message of ksmsd. @return false if it is neither a reply nor an event
    bool take(const nlohmann::json& head, std::string bytes);

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
    void gone(const Caller& caller) override;

private:
    /// The reply of ksmsd: its head and the bytes that follow it.
    using Reply = Answer<std::pair<nlohmann::json, std::string>>;

    void ask(const char* what, const Caller& caller, nlohmann::json more, std::string bytes,
             std::function<void(Reply)> then);

    Send send_;
    std::uint64_t number_{0};
    std::map<std::uint64_t, std::function<void(Reply)>> asked_;
    std::map<std::uint64_t, std::function<void(const JobEvent&)>> watches_;
};

}  // namespace ksms
