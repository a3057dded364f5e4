// SPDX-License-Identifier: BSD-2-Clause
// Leases: a time-limited hold on a DSCP. The table is the pinned map `leases`; every change is one
// transaction of the BPF program `ksms_lease`, atomic for every process on the machine.
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
    std::optional<ProcessId> owner;    ///< none: the time to live alone holds it
    nanoseconds ttl{0};                ///< 0: the limits' own
    bool endless{false};               ///< no time to live: the owner alone holds it
    std::optional<std::uint8_t> dscp;  ///< exactly this one
    std::uint64_t avoid{0};            ///< bit n: rather not DSCP n, but better than none
};

struct Lease {
    std::uint8_t dscp{0};
    Generation generation{0};
    ksms_lease record{};
    bool found{false};  ///< the same owner held it for this job already
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

    /// Takes the lowest free DSCP. Whose owner has ended or whose time is over is free already: the
    /// kernel saw to that.
    /// @return Code::no_dscp where none is free (how many are held, and by whom the oldest), where
    /// the one asked for or the job is somebody else's (who), or where the user holds as many as
    /// one may; Code::usage for a DSCP out of range, a bad name or too long a time to live;
    /// Code::not_found for an owner that has ended; Code::not_allowed for another user's process or
    /// a name that is the service's
    Result<Lease> allocate(const LeaseRequest& request) const { return allocate(request, {}); }
    /// Where none is free it waits its turn, in the order of asking; woken by whoever answers it. A
    /// job that another owner holds is refused at once.
    /// @param stop  once it is not 0, it waits no longer
    Result<Lease> allocate(const LeaseRequest& request, nanoseconds wait,
                           const std::atomic<int>* stop = nullptr) const;
    /// A lease as it was saved, for the owner that it names. Root only.
    Result<Lease> give(const SavedLease& saved, WallTime now) const;
    /// @param ttl  from now on; 0: none (Code::usage where there is no owner either, or where it
    /// is longer than may be)
    /// @return Code::not_found where it is not held under this generation any more;
    /// Code::not_allowed where it is another user's
    Status renew(std::uint8_t dscp, Generation generation, nanoseconds ttl) const;
    /// @return false: it was not held under this generation any more; Code::not_allowed where it is
    /// another user's
    Result<bool> release(std::uint8_t dscp, Generation generation) const;
    /// One scan at a time under a lease: this process, until it vacates it or ends.
    /// @return Code::no_dscp where another scan runs under it
    Status occupy(const Lease& lease) const;
    Status vacate(const Lease& lease) const;
    /// Is it held under this generation still?
    [[nodiscard]] Result<bool> holds(std::uint8_t dscp, Generation generation) const;

    /// Frees the leases of dead owners and those past their time that the kernel did not: where its
    /// hook was missing. Root only.
    Result<std::vector<ksms_lease>> reap() const;
    /// Everything held now, in the order of the DSCPs.
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
    mutable OnceTrue unset_;  ///< the kernel may have other limits
};

/// 1 to 63 characters of [A-Za-z0-9._:@+-]; more only behind "ksmsd:", where the service has its
/// jobs.
[[nodiscard]] bool is_job_name(const std::string& job);
/// A name for a job that gave none: "scan-PID-xxxx".
[[nodiscard]] std::string make_job_name();

}  // namespace ksms
