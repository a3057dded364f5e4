// SPDX-License-Identifier: BSD-2-Clause
// The interface between the HTTP server and the service: the server knows HTTP, the service knows
// jobs. Functions are called on the thread of the io_context and must not block or throw. `then`
// receives the result; it is called once on the same thread, before the function returns or later.
// References that are passed are valid until the function returns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace ksms {

/// The client, as the kernel reports it (SO_PEERCRED, SO_PEERGROUPS).
struct Caller {
    std::uint64_t client{0};  ///< the number of this connection
    uid_t uid{static_cast<uid_t>(-1)};
    gid_t gid{static_cast<gid_t>(-1)};
    pid_t pid{0};            ///< in our PID namespace; 0 where it is not in it
    std::string user;        ///< by getpwuid(3); the number if the uid has no name or the
                             ///< lookup took too long
    bool may_submit{false};  ///< root or a member of the group ksms
    bool trusted{false};     ///< root: sees and cancels everybody's jobs
    bool anonymous{false};   ///< over the loopback port: uid and user are not known
};

/// What the user and group databases say about a uid.
struct CallerNames {
    std::string user;    ///< the number if the uid has no name
    bool member{false};  ///< of the group ksms, by the group database
};

/// An error: application/problem+json, RFC 9457.
struct Problem {
    int status{500};                  ///< 400 to 599
    std::string type{"about:blank"};  ///< or a short slug: "queue-full"
    std::string title;                ///< short, the same for all problems of this type
    std::string detail;               ///< operation, object and cause of this one
    std::string hint;                 ///< what to do; may be empty
    unsigned retry_after{0};          ///< seconds, for 429 and 503: header Retry-After; 0: none
};

template <typename T>
using Answer = std::expected<T, Problem>;
template <typename T>
using Then = std::function<void(Answer<T>)>;

struct SubmittedJob {
    std::string id;
    std::string state;    ///< "queued", …
    bool created{false};  ///< true: 202; false: the same job existed, 200
};

struct JobDocument {
    std::string json;      ///< the schema Job of docs/openapi.json; one object, valid UTF-8
    bool finished{false};  ///< final state; ends a `wait`
};

struct JobQuery {
    std::optional<std::string> state;  ///< one of the six words
    std::optional<std::string> type;   ///< fast or detailed
    std::optional<std::string> user;   ///< a name; the service refuses another user's name from a
                                       ///< caller other than root (403)
    unsigned limit{100};               ///< 1 to 1,000
    std::string before;  ///< `next` of the page before; empty: the newest. Checked by the
                         ///< service (400), at most 128 bytes
};

/// An event of a job. Sequence numbers count up from 1.
///   state     the job without its result: first, and after each change of state
///   progress  an object defined by the service; replaces the last one, so slow clients may miss
/// some
///   verdict   a row of the result: {"index", …}
///   end       {"id","state"}: finished; the last event
struct JobEvent {
    std::uint64_t sequence{0};
    std::string name;
    std::string data;  ///< JSON text in one line
};

/// Ends a watch() when it is destroyed. Must not be destroyed inside the event function, nor after
/// the service.
class [[nodiscard]] Subscription {
public:
    Subscription() = default;
    explicit Subscription(std::function<void()> unsubscribe)
        : unsubscribe_(std::move(unsubscribe)) {}
    Subscription(Subscription&& other) noexcept
        : unsubscribe_(std::exchange(other.unsubscribe_, nullptr)) {}
    Subscription& operator=(Subscription&& other) noexcept {
        if (this != &other) {
            reset();
            unsubscribe_ = std::exchange(other.unsubscribe_, nullptr);
        }
        return *this;
    }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { reset(); }

    void reset() {
        if (auto unsubscribe = std::exchange(unsubscribe_, nullptr)) unsubscribe();
    }

private:
    std::function<void()> unsubscribe_;
};

/// Result of the health checks.
struct ServiceHealth {
    std::string json;    ///< the schema Health of docs/openapi.json
    bool healthy{true};  ///< 200, else 503
};

/// A job that the caller may not see is 404. The server has already refused callers that may not
/// submit (403), before the body is parsed.
class JobService {
public:
    JobService() = default;
    JobService(const JobService&) = delete;
    JobService& operator=(const JobService&) = delete;
    virtual ~JobService() = default;

    /// POST /v1/jobs. 400: invalid request, 403: `user` without being root, 409: another job has
    /// the id, 429: too many jobs of this user, 503: the queue cannot be written.
    /// @param body  as received, at most limits.body bytes, for parse_json_body()
    virtual void submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) = 0;
    /// GET /v1/jobs/ID. The id is at most 63 characters of [A-Za-z0-9._:@+-], here and below.
    virtual void job(const Caller& caller, const std::string& id, Then<JobDocument> then) = 0;
    /// GET /v1/jobs: the schema JobList.
    virtual void jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) = 0;
    /// DELETE /v1/jobs/ID: the job's document afterwards; 200 if it is finished, else 202. 409 if
    /// it was finished before.
    virtual void cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) = 0;
    /// Calls `event` for the kept events after number `after`, then calls `then`, then `event` for
    /// each new event. For a finished job all events, `end` last, precede `then`.
    /// @param after  the last sequence number that the client has seen (Last-Event-ID); 0: none. A
    ///               number that the job has not reached (ksmsd was restarted) counts as 0.
    virtual void watch(const Caller& caller, const std::string& id, std::uint64_t after,
                       std::function<void(const JobEvent&)> event, Then<Subscription> then) = 0;

    /// GET /v1/registry: the document of `ksmsctl registry list -j`.
    virtual void registry(const Caller& caller, Then<std::string> then) = 0;
    /// GET /v1/status: the schema Status. Open to anonymous callers: contains nothing about users
    /// or jobs.
    virtual void status(const Caller& caller, Then<std::string> then) = 0;
    /// GET /healthz, open to anonymous callers.
    virtual void health(const Caller& caller, Then<ServiceHealth> then) = 0;
    /// GET /metrics, open to anonymous callers: Prometheus text, version 0.0.4. The server appends
    /// its own metrics (ksms_http_…).
    virtual void metrics(const Caller& caller, Then<std::string> then) = 0;

    /// Looks up the caller's user name. Called once, before other functions, for callers other than
    /// root and anonymous ones; the server waits at most limits.names.
    virtual void names(const Caller& caller, Then<CallerNames> then) = 0;
    /// The connection is closed; no more calls follow for this caller.
    virtual void gone(const Caller& caller) = 0;
};

}  // namespace ksms
