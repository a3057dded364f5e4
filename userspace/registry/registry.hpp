// SPDX-License-Identifier: BSD-2-Clause
// Leases: time-limited holds on DSCPs. The table is the pinned map `leases`. Every change is a
// transaction of the BPF program `ksms_lease`, atomic for all processes of the machine.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/generation.hpp"
#include "bpf/registry_pins.hpp"
#include "ksms/abi.h"
#include "os/process.hpp"
#include "registry/limits.hpp"
#include "registry/record.hpp"

namespace ksms {

struct LeaseRequest {
    std::string job;  ///< is_job_name()
    std::string user;
    std::optional<ProcessId> owner;    ///< none: the lease only has a time to live
    nanoseconds ttl{0};                ///< 0: that of the limits
    bool endless{false};               ///< no time to live: the lease ends with its owner
    std::optional<std::uint8_t> dscp;  ///< exactly this one
    std::uint64_t avoid{0};            ///< bit n: allocate DSCP n only if no other is free
};

struct Lease {
    std::uint8_t dscp{0};
    Generation generation{0};
    ksms_lease record{};
    bool found{false};  ///< the same owner already held it for this job
};

struct SavedLease;

class Registry {
public:
    /// @param pins  outlive it
    /// @param limits  root's are put into force by the first allocation
    Registry(const RegistryPins& pins, RegistryLimits limits, Surroundings surroundings = {})
        : pins_(pins), limits_(limits), surroundings_(std::move(surroundings)) {
        unset_.set(geteuid() == 0);
    }

    /// Allocates the lowest free DSCP. The kernel has already freed expired leases and those of
    /// dead owners.
    /// @return Code::no_dscp if none is free (with the number and the oldest holder), if the
    /// requested DSCP or the job has another holder (named), or if the user is at the limit;
    /// Code::usage for a DSCP out of range, an invalid name or too long a time to live;
    /// Code::not_found for an owner that has ended; Code::not_allowed for another user's process or
    /// a name reserved for the service
    Result<Lease> allocate(const LeaseRequest& request) const { return allocate(request, {}); }
    /// The same, but waits for a free DSCP, first come, first served. A job that another owner
    /// holds is refused at once.
    /// @param stop  not 0: stop waiting
    Result<Lease> allocate(const LeaseRequest& request, nanoseconds wait,
                           const std::atomic<int>* stop = nullptr) const;
    /// Restores a saved lease for its owner. Root only.
    Result<Lease> give(const SavedLease& saved, WallTime now) const;
    /// @param ttl  from now on; 0: none (Code::usage without an owner, or above the limit)
    /// @return Code::not_found if it is not held under this generation any more; Code::not_allowed
    /// if it belongs to another user
    Status renew(std::uint8_t dscp, Generation generation, nanoseconds ttl) const;
    /// @return false if it was not held under this generation any more; Code::not_allowed if it
    /// belongs to another user
    Result<bool> release(std::uint8_t dscp, Generation generation) const;
    /// Claims the lease for the scan of this process, until it vacates the lease or ends.
    /// @return Code::no_dscp if another scan runs under it
    Status occupy(const Lease& lease) const;
    Status vacate(const Lease& lease) const;
    /// Whether it is still held under this generation.
    [[nodiscard]] Result<bool> holds(std::uint8_t dscp, Generation generation) const;

    /// Frees leases of dead owners and expired leases that the kernel has not freed because its
    /// hook was missing. Root only.
    Result<std::vector<ksms_lease>> reap() const;
    /// All held leases, ordered by DSCP.
    Result<std::vector<ksms_lease>> list() const;
    Result<ksms_lease> find_job(const std::string& job) const;  ///< Code::not_found
    Result<ksms_lease> find_dscp(std::uint8_t dscp) const;      ///< Code::not_found
    Result<ksms_registry> figures() const;
    [[nodiscard]] const RegistryLimits& limits() const { return limits_; }

private:
    Result<ksms_registry_call> ask(const LeaseRequest& request, std::optional<Instant> until,
                                   const std::atomic<int>* stop) const;
    Result<ksms_registry_call> await(ksms_registry_call call, Instant until,
                                     const std::atomic<int>* stop) const;
    std::unexpected<Error> refused(const LeaseRequest& request,
                                   const ksms_registry_call& call) const;
    Result<Lease> answer(const LeaseRequest& request, const ksms_registry_call& call) const;
    Result<std::optional<ksms_lease>> read(std::uint32_t dscp) const;
    Result<std::uint32_t> transact(ksms_registry_call& call) const;

    const RegistryPins& pins_;
    RegistryLimits limits_;
    Surroundings surroundings_;
    mutable OnceTrue unset_;  ///< the limits in the kernel may differ
};

/// 1 to 63 characters of [A-Za-z0-9._:@+-], optionally after the prefix "ksmsd:" of the service.
[[nodiscard]] bool is_job_name(const std::string& job);
/// A generated name: "scan-PID-xxxx".
[[nodiscard]] std::string make_job_name();

}  // namespace ksms
