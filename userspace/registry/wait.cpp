// SPDX-License-Identifier: BSD-2-Clause
// Waiting for a DSCP: on the end of the holders, on the next expiry, and at short intervals for a
// release.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

constexpr std::uint64_t kLongestNap = 100'000'000;  // ns: a release by a living holder wakes nobody

}  // namespace

/// Until a holder ends, a lease expires, the time is over, or a signal comes.
void Registry::wait_for_change(const std::vector<ksms_lease>& held, std::uint64_t until) const {
    std::vector<Fd> holders;
    std::vector<pollfd> ready;
    const auto now = surroundings_.monotonic();
    auto nap = kLongestNap;
    for (const auto& lease : held) {
        if (lease.expires_ns != 0)
            nap = std::min(nap, lease.expires_ns - std::min(lease.expires_ns, now));
        if (lease.owner_pid == 0) continue;
        // glibc 2.36 declares pidfd_open for C only.
        Fd holder(static_cast<int>(syscall(SYS_pidfd_open, lease.owner_pid, 0)));
        if (!holder && errno == ESRCH) nap = 0;
        if (!holder) continue;
        ready.push_back({holder.get(), POLLIN, 0});
        holders.push_back(std::move(holder));
    }
    const auto real_now = monotonic_ns();
    nap = std::min(nap, until - std::min(until, real_now));
    poll(ready.data(), ready.size(), static_cast<int>(nap / 1'000'000 + 1));
}

}  // namespace ksms
