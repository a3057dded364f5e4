// SPDX-License-Identifier: BSD-2-Clause
// Gives each router the probes at its own ingress interface, without a source host: an XDP program
// writes them into live frames (bpf/inject.bpf.c).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "judge/plan.hpp"
#include "probe/sender.hpp"
#include "route/network.hpp"

namespace ksms {

class Injector : public Sender {
public:
    /// @param plan  every entry of it has an injection; it, its network and the objects outlive the
    ///              injector
    Injector(const Objects& objects, const Plan& plan, const Network& network,
             const ProbeHeader& header);

    Result<std::vector<Refused>> send(std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
                                      const std::function<bool(std::size_t done)>& stop) override;
    [[nodiscard]] const ProbeHeader& header() const override { return header_; }

private:
    Status inject(std::size_t entry, std::span<const std::uint32_t> probes);

    const Objects& objects_;
    const Plan& plan_;
    const Network& network_;
    ProbeHeader header_;
    Pace pace_;
    std::vector<ksms_injection> templates_;  ///< one an entry
};

}  // namespace ksms
