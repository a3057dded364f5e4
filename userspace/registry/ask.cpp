// SPDX-License-Identifier: BSD-2-Clause
// Requests a DSCP and waits for it.
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "registry/refusal.hpp"
#include "registry/registry.hpp"
#include "registry/restore.hpp"

namespace ksms {
namespace {

template <std::size_t N>
void put_text(char (&into)[N], const std::string& text) {
    text.copy(into, N - 1);
}

/// Identifies the owner to the kernel, which reads its PID itself.
/// @param held  a pidfd that prevents reuse of the PID during the call
Status name_owner(const LeaseRequest& request, ksms_registry_call& call, Fd& held) {
    call.owner_kind = KSMS_OWNER_NONE;
    if (!request.owner) return {};
    call.owner_kind = KSMS_OWNER_CALLER;
    if (request.owner->pid == current_pid()) return {};
    call.owner_kind = KSMS_OWNER_PIDFD;
    call.named_pid = request.owner->pid;
    // glibc 2.36 declares pidfd_open for C only.
    held = Fd(static_cast<int>(syscall(SYS_pidfd_open, request.owner->pid, 0)));
    if (!held && errno == ESRCH) return std::unexpected(owner_ended(request));
    if (!held) return fail_errno(errno, fmt::format("open the process {}", request.owner->pid));
    call.owner_fd = static_cast<std::uint32_t>(held.get());
    // The PID may belong to another process by now.
    if (is_alive(*request.owner)) return {};
    return std::unexpected(owner_ended(request));
}

ksms_registry_call call_of(const LeaseRequest& request, const RegistryLimits& limits) {
    ksms_registry_call call{};
    call.op = KSMS_OP_ALLOCATE;
    auto& asked = call.request;
    asked.ttl_ns = in_ns(request.ttl == nanoseconds(0) ? limits.ttl : request.ttl);
    if (request.endless) asked.ttl_ns = 0;
    put_text(asked.job, request.job);
    put_text(asked.user, request.user);
    return call;
}

/// Blocks signals except while waiting, so that none is missed between the check of `stop` and the
/// wait.
class SignalsWhileWaiting {
public:
    SignalsWhileWaiting() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsWhileWaiting(const SignalsWhileWaiting&) = delete;
    SignalsWhileWaiting& operator=(const SignalsWhileWaiting&) = delete;
    ~SignalsWhileWaiting() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    [[nodiscard]] const sigset_t* mask() const { return &before_; }

private:
    sigset_t before_{};
};

/// Each answer to any caller is an edge. Edges are kept until they are read, so none is missed.
Result<Fd> answers_edge(int answers) {
    Fd poller(epoll_create1(EPOLL_CLOEXEC));
    if (!poller) return fail_errno(errno, "make an epoll instance");
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    if (epoll_ctl(poller.get(), EPOLL_CTL_ADD, answers, &event) != 0)
        return fail_errno(errno, "poll the registry's answers");
    return poller;
}

}  // namespace

/// Returns the call with the kernel's answer.
/// @param until  none: do not wait
Result<ksms_registry_call> Registry::ask(const LeaseRequest& request, std::optional<Instant> until,
                                         const std::atomic<int>* stop) const {
    KSMS_CHECK(check_request(request, limits_));
    if (unset_.take()) KSMS_CHECK(set_limits(pins_, limits_));
    auto call = call_of(request, limits_);
    Fd owner;
    KSMS_CHECK(name_owner(request, call, owner));
    const auto range = request.dscp ? std::uint64_t{1} << *request.dscp : range_mask(limits_);
    const auto preferred = range & ~request.avoid;
    if (preferred != 0 && preferred != range) {
        call.request.allowed = preferred;
        KSMS_TRY(const auto result, transact(call));
        if (result != EBUSY && result != EDOM) return call;
    }
    call.request.allowed = range;
    call.may_wait = until ? 1 : 0;
    KSMS_TRY(const auto result, transact(call));
    if (result != EBUSY && result != EINPROGRESS) return call;
    // The kernel frees expired leases at once, but not if its hook was missing: reap them. That
    // also serves waiting callers.
    const auto reaped = geteuid() == 0 ? reap() : std::vector<ksms_lease>();
    if (result == EINPROGRESS) return await(call, until.value_or(Instant{}), stop);
    if (!reaped) return std::unexpected(reaped.error());
    if (!reaped->empty()) KSMS_CHECK(transact(call));
    return call;
}

Result<ksms_registry_call> Registry::await(ksms_registry_call call, Instant until,
                                           const std::atomic<int>* stop) const {
    KSMS_TRY(const auto edge, answers_edge(pins_.answers.get()));
    const SignalsWhileWaiting signals;
    while (true) {
        call.op = KSMS_OP_FETCH;
        KSMS_CHECK(transact(call));
        if (call.result != EINPROGRESS) return call;
        const auto now = monotonic();
        if ((stop != nullptr && stop->load() != 0) || now >= until) {
            call.op = KSMS_OP_WITHDRAW;
            KSMS_CHECK(transact(call));
            if (call.result == ECANCELED) call.result = EBUSY;
            return call;
        }
        const auto rest = poll_time(std::min<nanoseconds>(until - now, std::chrono::hours(1)));
        epoll_event event{};
        epoll_pwait(edge.get(), &event, 1, rest, signals.mask());
    }
}

Result<Lease> Registry::give(const SavedLease& saved, WallTime now) const {
    LeaseRequest request;
    request.job = saved.job;
    request.user = saved.user;
    request.dscp = saved.dscp;
    request.endless = !saved.expires_at;
    if (saved.expires_at) request.ttl = from_ns((*saved.expires_at - now).count());
    KSMS_CHECK(check_request(request, limits_));
    auto call = call_of(request, limits_);
    call.owner_kind = KSMS_OWNER_GIVEN;
    if (saved.pid) {
        KSMS_TRY(const auto process, process_id(*saved.pid));
        request.owner = process;
        call.request.owner_pid = process.pid;
        call.request.owner_start = process.start;
    }
    call.request.uid = saved.uid;
    call.request.allowed = std::uint64_t{1} << saved.dscp;
    KSMS_CHECK(transact(call));
    return answer(request, call);
}

}  // namespace ksms
