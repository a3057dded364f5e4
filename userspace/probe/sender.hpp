// SPDX-License-Identifier: BSD-2-Clause
// What brings probes onto their way: sockets of the source, or injection at a router.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "probe/probe_packet.hpp"

namespace ksms {

/// Keeps probes apart, from one call of send() to the next too.
class Pace {
public:
    using Stop = std::function<bool(std::size_t done)>;
    /// Waits for the last call's interval.
    /// @param rate_pps  0: does not wait at all, here or in keep()
    /// @return when this call begins
    Instant begin(std::uint64_t rate_pps, const Stop& stop);
    /// `done` of `all` are sent: waits until the next is due. After the last one the next call
    /// does.
    void keep(Instant begun, std::size_t done, std::size_t all, std::uint64_t rate_pps,
              const Stop& stop);

private:
    void wait(const Stop& stop, std::size_t done) const;
    Instant next_due_;
};

class Sender {
public:
    Sender() = default;
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    virtual ~Sender() = default;

    struct Refused {
        std::uint32_t probe;
        int err;
    };
    /// Sends these probes, paced at `rate_pps` (0: as fast as it goes). `stop` is asked between
    /// batches.
    /// @return for each that could not be sent its index and why (EPERM is the source's own
    /// firewall: it counts as sent, the drop says it; EINTR: stopped before)
    virtual Result<std::vector<Refused>> send(
        std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
        const std::function<bool(std::size_t done)>& stop) = 0;
    /// Complete, the source port included.
    [[nodiscard]] virtual const ProbeHeader& header() const = 0;
};

}  // namespace ksms
