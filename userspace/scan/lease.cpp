// SPDX-License-Identifier: BSD-2-Clause
#include "scan/lease.hpp"

#include <utility>

#include "os/process.hpp"
#include "registry/borrow.hpp"
#include "registry/record.hpp"

namespace ksms {
namespace {

ksms_journal_entry claim_of(const Lease& lease) {
    return did_lease(lease.dscp, lease.generation.low());
}

Result<Lease> allocate(const Registry& registry, const ScanRequest& request,
                       const std::atomic<int>* stop, std::uint64_t avoid, nanoseconds wait) {
    LeaseRequest wanted;
    wanted.job = request.job.empty() ? make_job_name() : request.job;
    wanted.user = request.user.empty() ? user_name() : request.user;
    KSMS_TRY(wanted.owner, this_process());
    wanted.dscp = request.dscp;
    wanted.avoid = avoid;
    return registry.allocate(wanted, wait, stop);
}

}  // namespace

Result<ScanLease> ScanLease::take(const Registry& registry, Guard& guard,
                                  const ScanRequest& request, const ScanHooks& hooks,
                                  std::uint64_t avoid, nanoseconds wait) {
    KSMS_TRY(const auto borrowed,
             borrow_lease(registry, request.job, request.dscp, request.sudo_uid));
    if (borrowed) {
        KSMS_CHECK(registry.occupy(*borrowed));
        if (hooks.leased) hooks.leased(borrowed->dscp);
        return ScanLease(registry, guard, *borrowed, true);
    }
    KSMS_TRY(const auto allocated, allocate(registry, request, hooks.stop, avoid, wait));
    if (const auto noted = guard.will(claim_of(allocated)); !noted) {
        static_cast<void>(registry.release(allocated.dscp, allocated.generation));
        return std::unexpected(noted.error());
    }
    ScanLease lease(registry, guard, allocated, false);
    if (hooks.leased) hooks.leased(allocated.dscp);
    KSMS_CHECK(registry.occupy(allocated));
    return lease;
}

ScanLease::ScanLease(ScanLease&& other) noexcept
    : registry_(other.registry_),
      guard_(std::exchange(other.guard_, nullptr)),
      lease_(other.lease_),
      borrowed_(other.borrowed_) {}

ScanLease::~ScanLease() {
    if (guard_ == nullptr) return;
    static_cast<void>(guard_->undo_all());
    // Whoever takes it next finds nothing of this scan.
    if (borrowed_) static_cast<void>(registry_->vacate(lease_));
}

}  // namespace ksms
