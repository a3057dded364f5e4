// SPDX-License-Identifier: BSD-2-Clause
// What the HTTP API asks of the service behind it. The server knows connections and HTTP, the
// service knows jobs. Every function is called on the thread of the io_context, must not block, and
// must not throw. What may take a while (a disk) is answered later: by `then`, which is called
// once, on the same thread, before the function returns or any time after it. References that were
// passed are only good until the function returns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace ksms {

/// Who is on the other side, as the kernel says it (SO_PEERCRED, SO_PEERGROUPS).
struct Caller {
    std::uint64_t client{0};  ///< the number of this connection
    uid_t uid{static_cast<uid_t>(-1)};
    gid_t gid{static_cast<gid_t>(-1)};
    pid_t pid{0};            ///< in our PID namespace; 0 where it is not in it
    std::string user;        ///< by getpwuid; the number where the uid has no name, or where
                             ///< nobody has told it in time
    bool may_submit{false};  ///< root or a member of the group ksms
    bool trusted{false};     ///< root: sees and cancels everybody's jobs
    bool anonymous{false};   ///< the loopback port: nobody is known, uid and user mean nothing
};

/// What the databases of users and groups say of a uid.
struct CallerNames {
    std::string user;    ///< the number where the uid has no name
    bool member{false};  ///< of the group ksms, by the group database
};

/// An answer that is no success: application/problem+json, RFC 9457.
struct Problem {
    int status{500};                      ///< 400 to 599
    std::string type{"about:blank"};      ///< or a short slug: "queue-full"
    std::string title;                    ///< short, the same for every problem of this type
    std::string detail;                   ///< this one: what, on what, why
    std::string hint;                     ///< the way out; may be empty
    std::optional<unsigned> retry_after;  ///< seconds, for 429 and 503: header Retry-After
};

template <typename T>
using Answer = std::expected<T, Problem>;
template <typename T>
using Then = std::function<void(Answer<T>)>;

struct SubmittedJob {
    std::string id;
    std::string state;    ///< "queued", …
    bool created{false};  ///< 202; false: the same job was there already, 200
};

struct JobDocument {
    std::string json;      ///< the schema Job of docs/openapi.json; one object, valid UTF-8
    bool finished{false};  ///< nothing more happens to it: `wait` is over
};

struct JobQuery {
    std::optional<std::string> state;  ///< one of the six words, checked already
    std::optional<std::string> type;   ///< fast or detailed, checked already
    std::optional<std::string> user;   ///< a name; somebody else's from a caller who is not trusted
                                       ///< is for the service to refuse (403)
    unsigned limit{100};               ///< 1 to 1,000
    std::string before;  ///< what `next` of the page before said; empty: the newest. Checked by the
                         ///< service (400), at most 128 bytes
};

/// Events of one job, in order. `sequence` rises with every event of the job, from 1 up.
///   state     the job without its result: at first, then at every change of state
///   progress  an object, free to the service; only the last counts: may be left out for the slow
///   verdict   a row of the result, as it comes: {"index", …}
///   end       {"id","state"}: finished; nothing follows
struct JobEvent {
    std::uint64_t sequence{0};
    std::string name;
    std::string data;  ///< JSON text in one line
};

/// Ends what watch() began when it is destroyed. Never destroyed from inside of the function that
/// was given to watch(), and always before the service is.
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

/// "healthy" or what is wrong, for people and for machines.
struct ServiceHealth {
    std::string json;    ///< the schema Health of docs/openapi.json
    bool healthy{true};  ///< 200, else 503
};

/// What a caller may not see is as if it were not there: 404. Who may not submit is refused by the
/// server already (403), before the body is read by anybody else.
class JobService {
public:
    JobService() = default;
    JobService(const JobService&) = delete;
    JobService& operator=(const JobService&) = delete;
    virtual ~JobService() = default;

    /// POST /v1/jobs. @param body  as it came, at most limits.body bytes: parse_json_body() reads
    /// it. 400 a wrong request, 403 `user` by somebody else than root, 409 the id is another job's,
    /// 429 too many of this user's, 503 the queue cannot be written.
    virtual void submit(const Caller& caller, const std::string& body, Then<SubmittedJob> then) = 0;
    /// GET /v1/jobs/ID. The id is at most 63 characters of [A-Za-z0-9._:@+-], here and below.
    virtual void job(const Caller& caller, const std::string& id, Then<JobDocument> then) = 0;
    /// GET /v1/jobs: the schema JobList.
    virtual void jobs(const Caller& caller, const JobQuery& query, Then<std::string> then) = 0;
    /// DELETE /v1/jobs/ID: the job's document after it, 200 where it is finished, else 202. A job
    /// that is finished already is 409.
    virtual void cancel(const Caller& caller, const std::string& id, Then<JobDocument> then) = 0;
    /// Calls `event` for the present state before `then`, and for what is still kept of the events
    /// behind `after`; then for each event as it comes. A finished job: its events, `end` last,
    /// before `then`.
    /// @param after  the last sequence that the client has seen (Last-Event-ID); 0: none. One that
    ///               the job has not come to (a service that was started anew) counts as 0.
    virtual void watch(const Caller& caller, const std::string& id, std::uint64_t after,
                       std::function<void(const JobEvent&)> event, Then<Subscription> then) = 0;

    /// GET /v1/registry: the document of `ksmsctl registry list -j`.
    virtual void registry(const Caller& caller, Then<std::string> then) = 0;
    /// GET /v1/status: the schema Status. Also for the anonymous: nothing of users or jobs in it.
    virtual void status(const Caller& caller, Then<std::string> then) = 0;
    /// GET /healthz, also for the anonymous.
    virtual void health(const Caller& caller, Then<ServiceHealth> then) = 0;
    /// GET /metrics, also for the anonymous: Prometheus text, version 0.0.4, names from ksms_ on.
    /// The server's own (ksms_http_…) are put behind it.
    virtual void metrics(const Caller& caller, Then<std::string> then) = 0;

    /// How this caller is called. Asked once, before anything else, of one who is neither root nor
    /// anonymous; not waited for longer than limits.names.
    virtual void names(const Caller& caller, Then<CallerNames> then) = 0;
    /// The connection is closed: nothing more is asked for this caller.
    virtual void gone(const Caller& caller) = 0;
};

}  // namespace ksms
