// SPDX-License-Identifier: BSD-2-Clause
// Leases: a time-limited hold on a DSCP. The table is the pinned map `leases`; every change is one
// transaction of the BPF program `ksms_lease`, atomic for every process on the machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "ksms/abi.h"
#include "os/process.hpp"
#include "registry/limits.hpp"
#include "registry/record.hpp"

namespace ksms {

struct LeaseRequest {
    std::string job;  ///< 1 to 63 characters of [A-Za-z0-9._:@+-]
    std::string user;
    std::optional<ProcessId> owner;    ///< none: the time to live alone holds it
    std::uint64_t ttl_ns{0};           ///< 0: the limits' own
    std::optional<std::uint8_t> dscp;  ///< exactly this one
    std::uint64_t avoid{0};            ///< bit n: rather not DSCP n, but better than none
};

struct Lease {
    std::uint8_t dscp{0};
    std::uint64_t generation{0};
    ksms_lease record{};
    bool found{false};  ///< the same owner held it for this job already
};

class Registry {
public:
    Registry(const Objects& objects, RegistryLimits limits, Surroundings surroundings = {})
        : objects_(objects), limits_(limits), surroundings_(std::move(surroundings)) {}

    /// Reaps what is dead or expired, then takes the lowest free DSCP.
    /// @return Code::no_dscp where none is free (how many are held, and by whom the oldest), where
    /// the one asked for or the job is somebody else's (who); Code::usage for a DSCP out of range
    /// or a bad name
    Result<Lease> allocate(const LeaseRequest& request) const;
    /// Where none is free it tries again until one is or the time is over; woken by the end of a
    /// holder (pidfd), by the next expiry, at the latest every 100 ms. A job that another owner
    /// holds is refused at once.
    /// @param stop  once it is not 0, it waits no longer
    Result<Lease> allocate(const LeaseRequest& request, std::uint64_t wait_ns,
                           const std::atomic<int>* stop = nullptr) const;
    /// @param ttl_ns  from now on; 0: none (Code::usage where there is no owner either)
    /// @return Code::not_found where it is not held under this generation any more
    Status renew(std::uint8_t dscp, std::uint64_t generation, std::uint64_t ttl_ns) const;
    /// @return false: it was not held under this generation any more
    Result<bool> release(std::uint8_t dscp, std::uint64_t generation) const;
    /// Frees the leases of dead owners and those past their time.
    Result<std::vector<ksms_lease>> reap() const;
    /// Everything held now, in the order of the DSCPs.
    Result<std::vector<ksms_lease>> list() const;
    Result<ksms_lease> find_job(const std::string& job) const;  ///< Code::not_found
    Result<ksms_lease> find_dscp(std::uint8_t dscp) const;      ///< Code::not_found
    [[nodiscard]] const RegistryLimits& limits() const { return limits_; }

private:
    Result<ksms_registry_call> ask(const LeaseRequest& request) const;
    std::unexpected<Error> refused(const LeaseRequest& request,
                                   const ksms_registry_call& call) const;
    Result<Lease> answer(const LeaseRequest& request, const ksms_registry_call& call) const;
    Result<std::optional<ksms_lease>> read(std::uint32_t dscp) const;
    Result<std::uint32_t> transact(ksms_registry_call& call) const;
    void wait_for_change(const std::vector<ksms_lease>& held, std::uint64_t until) const;

    const Objects& objects_;
    RegistryLimits limits_;
    Surroundings surroundings_;
};

[[nodiscard]] bool is_job_name(const std::string& job);
/// A name for a job that gave none: "scan-PID-xxxx".
[[nodiscard]] std::string make_job_name();

}  // namespace ksms
