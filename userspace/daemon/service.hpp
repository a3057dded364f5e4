// SPDX-License-Identifier: BSD-2-Clause
// The API's JobService over board, registry and health. Decides what each caller may do.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "daemon/board.hpp"
#include "daemon/health.hpp"
#include "daemon/stall.hpp"
#include "front/front.hpp"
#include "http/peer.hpp"
#include "http/service.hpp"

namespace ksms {

class KsmsService : public JobService {
public:
    /// @param config  the present one, also after a reload
    KsmsService(JobBoard& board, Health& health, const Objects& objects, const Config& config,
                PeerNames& peers);

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
    void gone(const Caller& /*caller*/) override {}
    /// Sources of metrics; nullptr: none.
    void watched_by(const StallWatch* watch) { watch_ = watch; }
    void fronted_by(const Front* front) { front_ = front; }

private:
    struct Submission {
        Job job;
        std::shared_ptr<const ScanRequest> request;
        bool trusted{false};
        bool named{false};  ///< its client chose the id
    };
    /// Token bucket of a user: how many jobs may be submitted now.
    struct Bucket {
        double left{0};
        Instant at;
    };

    void visible(const Caller& caller, const std::string& id, const Then<Job>& then);
    std::unexpected<Problem> rejected(const char* reason, Problem problem);
    /// @param user  that the request names; "": none
    void find_owner(const Caller& caller, const std::string& user,
                    std::function<void(Answer<Job>)> then);
    void look_for(Submission submission, const Then<SubmittedJob>& then);
    void enqueue(const Submission& submission, const Then<SubmittedJob>& then);
    Answer<SubmittedJob> same_or_conflict(const Submission& submission, const Job& known);
    [[nodiscard]] std::optional<std::pair<const char*, Problem>> too_much(
        const Submission& submission);
    [[nodiscard]] bool is_too_fast(uid_t uid);
    [[nodiscard]] Problem too_fast() const;

    JobBoard& board_;
    Health& health_;
    const Objects& objects_;
    const Config& config_;
    double started_at_;
    PeerNames& peers_;
    const StallWatch* watch_{nullptr};
    const Front* front_{nullptr};
    std::map<uid_t, Bucket> buckets_;
};

}  // namespace ksms
