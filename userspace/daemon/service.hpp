// SPDX-License-Identifier: BSD-2-Clause
// The API's questions, answered by the board, the registry and the health: who may what is decided
// here.
#pragma once

#include <functional>
#include <string>

#include "daemon/board.hpp"
#include "daemon/health.hpp"
#include "http/service.hpp"

namespace ksms {

class KsmsService : public JobService {
public:
    /// @param config  as it is now, also after a reload
    KsmsService(JobBoard& board, Health& health, const Objects& objects, const Config& config);

    Answer<SubmittedJob> submit(const Caller& caller, const nlohmann::json& body) override;
    Answer<JobDocument> job(const Caller& caller, const std::string& id) override;
    Answer<std::string> jobs(const Caller& caller, const JobQuery& query) override;
    Answer<JobDocument> cancel(const Caller& caller, const std::string& id) override;
    Answer<Subscription> watch(const Caller& caller, const std::string& id, std::uint64_t after,
                               std::function<void(const JobEvent&)> event) override;
    Answer<std::string> registry(const Caller& caller) override;
    Answer<std::string> status(const Caller& caller) override;
    ServiceHealth health() override;
    std::string metrics() override;

private:
    Answer<Job> visible(const Caller& caller, const std::string& id, bool with_result);
    std::unexpected<Problem> rejected(const char* reason, Problem problem);
    Answer<Job> owned_by(const Caller& caller, const std::optional<std::string>& user) const;

    JobBoard& board_;
    Health& health_;
    const Objects& objects_;
    const Config& config_;
    double started_at_;
};

}  // namespace ksms
