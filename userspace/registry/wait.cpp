// SPDX-License-Identifier: BSD-2-Clause
// Waiting for a DSCP: on the end of the holders, on the next expiry, and at short intervals for a
// release.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

constexpr std::uint64_t kLongestNap = 100'000'000;  // ns: a release by a living holder wakes nobody

/// Until a holder ends, a lease expires, or the time is over.
void wait_for_change(const std::vector<ksms_lease>& held, std::uint64_t until) {
    std::vector<Fd> holders;
    std::vector<pollfd> ready;
    auto next = std::min(until, monotonic_ns() + kLongestNap);
    for (const auto& lease : held) {
        if (lease.expires_ns != 0) next = std::min(next, lease.expires_ns);
        if (lease.owner_pid == 0) continue;
        Fd holder(static_cast<int>(syscall(SYS_pidfd_open, lease.owner_pid, 0)));
        if (!holder) continue;
        ready.push_back({holder.get(), POLLIN, 0});
        holders.push_back(std::move(holder));
    }
    const auto now = monotonic_ns();
    if (next > now)
        poll(ready.data(), ready.size(), static_cast<int>((next - now) / 1'000'000 + 1));
}

}  // namespace

Result<Lease> Registry::allocate(const LeaseRequest& request, std::uint64_t wait_ns) const {
    const auto until = monotonic_ns() + wait_ns;
    while (true) {
        auto lease = allocate(request);
        if (lease || lease.error().code != Code::no_dscp || monotonic_ns() >= until) return lease;
        KSMS_TRY(const auto held, list());
        wait_for_change(held, until);
    }
}

}  // namespace ksms
