// SPDX-License-Identifier: BSD-2-Clause
// Who did not let a probe leave, where no drop tells: an IPsec policy of the source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "judge/plan.hpp"
#include "os/xfrm.hpp"
#include "probe/probe_packet.hpp"
#include "route/network.hpp"

namespace ksms {

class PolicyLook {
public:
    /// @param header  of the probes
    PolicyLook(const Plan& plan, const Network& network, const std::vector<Service>& services,
               const ProbeHeader& header)
        : plan_(plan), network_(network), services_(services), header_(header) {}
    /// Did one block this probe, which the kernel refused with EPERM?
    Result<bool> blocks(std::uint32_t probe);

private:
    const Plan& plan_;
    const Network& network_;
    const std::vector<Service>& services_;
    const ProbeHeader& header_;
    std::map<std::size_t, std::vector<IpsecPolicy>> policies_;  ///< of each entry
};

}  // namespace ksms
