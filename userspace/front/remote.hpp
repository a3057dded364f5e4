// SPDX-License-Identifier: BSD-2-Clause
// The service as the front sees it: asks ksmsd, over messages.
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

    /// @param send  to ksmsd
    explicit RemoteService(Send send) : send_(std::move(send)) {}

    /// A message of ksmsd's. @return false: it is none of a service's
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
    /// What ksmsd replied: its head, and the bytes behind it.
    using Reply = Answer<std::pair<nlohmann::json, std::string>>;

    std::uint64_t ask(const char* what, const Caller& caller, nlohmann::json more,
                      std::string bytes, std::function<void(Reply)> then);
    void ask_text(const char* what, const Caller& caller, nlohmann::json more,
                  Then<std::string> then);
    void ask_job(const char* what, const Caller& caller, const std::string& id,
                 Then<JobDocument> then);

    Send send_;
    std::uint64_t number_{0};
    std::map<std::uint64_t, std::function<void(Reply)>> asked_;
    std::map<std::uint64_t, std::function<void(const JobEvent&)>> watches_;
};

}  // namespace ksms
