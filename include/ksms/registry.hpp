// SPDX-License-Identifier: BSD-2-Clause
// The registry for other programs: a DSCP of one's own for as long as an object lives.
//
//     auto registry = ksms::LeaseRegistry::open();
//     if (!registry) return complain(registry.error());
//     auto lease = registry->allocate({.job = "nightly", .wait = std::chrono::seconds(30)});
//     if (!lease) return complain(lease.error());
//     setsockopt(fd, IPPROTO_IP, IP_TOS, &(tos = lease->tos()), sizeof tos);
//     …                                    // given back at the end of the scope; when the process
//                                          // ends, however it ends, by the kernel
//
// Needs root, or membership of the group `ksms` once root has installed the registry
// (`ksmsctl registry list` does). Link with ksms_registry.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace ksms {

struct LeaseError {
    int exit_status{1};   ///< as ksmsctl ends with: 4 no DSCP, 5 not found, 6 not allowed, …
    std::string message;  ///< what, on what, why
    std::string hint;     ///< the way out; may be empty
};

struct LeaseOptions {
    std::string job;                     ///< 1 to 63 of [A-Za-z0-9._:@+-]
    std::string user{};                  ///< what it is entered under; "": the caller
    std::optional<std::uint8_t> dscp{};  ///< exactly this one (32–63); none: the lowest free
    std::chrono::nanoseconds ttl{0};     ///< 0: none, this process alone holds it
    std::chrono::nanoseconds wait{0};    ///< for a free one, in the order of asking
};

/// A DSCP (RFC 2474) that no other job has while this object lives. Movable, gives itself back.
class HeldLease {
public:
    HeldLease(HeldLease&&) noexcept;
    HeldLease& operator=(HeldLease&&) noexcept;
    ~HeldLease();

    [[nodiscard]] std::uint8_t dscp() const;  ///< 0–63
    [[nodiscard]] int tos() const;            ///< the whole byte, dscp << 2: IP_TOS, IPV6_TCLASS
    [[nodiscard]] const std::string& job() const;
    /// Is it ours still? Not after its time, or when root released it.
    [[nodiscard]] bool held() const;
    /// Starts the time to live again.
    std::expected<void, LeaseError> renew(std::chrono::nanoseconds ttl);
    /// Gives it back now.
    void release();

private:
    friend class LeaseRegistry;
    struct State;
    explicit HeldLease(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

class LeaseRegistry {
public:
    /// @param pin_root  a directory on the BPF file system
    static std::expected<LeaseRegistry, LeaseError> open(
        const std::string& pin_root = "/sys/fs/bpf/ksms");
    LeaseRegistry(LeaseRegistry&&) noexcept;
    LeaseRegistry& operator=(LeaseRegistry&&) noexcept;
    ~LeaseRegistry();

    /// The calling process is the owner. Asking again for a job that it holds gives the same DSCP;
    /// the first of the objects to go gives it back.
    std::expected<HeldLease, LeaseError> allocate(const LeaseOptions& options) const;

private:
    friend class HeldLease;
    struct State;
    explicit LeaseRegistry(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace ksms
