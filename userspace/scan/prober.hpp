// SPDX-License-Identifier: BSD-2-Clause
// Sends probes from the source's namespaces: raw, marked from the first packet, in batches.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "scan/plan.hpp"
#include "scan/probe_packet.hpp"

namespace ksms {

class Prober {
public:
    /// Opens a raw socket in every entry's namespace and reserves the source port there (a TCP and
    /// a UDP socket bound to it, so that no other program of that host is given our answers).
    /// @param next_port  gives the next candidate; another is asked for where one is taken
    static Result<Prober> open(const Plan& plan, const std::vector<Service>& services,
                               const ProbeHeader& header,
                               const std::function<std::uint16_t()>& next_port);

    /// Sends these probes, paced at `rate_pps` (0: as fast as it goes). `stop` is asked between
    /// batches.
    /// @return for each that could not be sent its index and why (EPERM is the source's own
    /// firewall: it counts as sent, the drop
    ///         says it)
    struct Refused {
        std::uint32_t probe;
        int err;
    };
    Result<std::vector<Refused>> send(std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
                                      const std::function<bool(std::size_t done)>& stop);
    [[nodiscard]] const ProbeHeader& header() const { return header_; }

private:
    struct Entry {
        Fd raw, tcp, udp;
        std::string name;
    };
    Status reserve_port(const Plan& plan, const std::function<std::uint16_t()>& next_port);
    Result<std::vector<Refused>> send_part(std::span<const std::uint32_t> probes,
                                           std::uint64_t rate_pps,
                                           const std::function<bool(std::size_t done)>& stop);
    Status send_batch(std::span<const std::uint32_t> probes, std::vector<Refused>& refused);

    std::vector<Entry> entries_;
    const std::vector<Service>* services_{nullptr};
    ProbeHeader header_;
};

}  // namespace ksms
