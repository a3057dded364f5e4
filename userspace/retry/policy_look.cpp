// SPDX-License-Identifier: BSD-2-Clause
#include "retry/policy_look.hpp"

namespace ksms {

Result<bool> PolicyLook::blocks(std::uint32_t probe) {
    const auto entry = plan_.numbers().entry(probe);
    auto known = policies_.find(entry);
    if (known == policies_.end()) {
        const auto& netns = network_.netns(plan_.entries[entry].netns.number());
        KSMS_TRY(auto read, outgoing_policies(netns));
        known = policies_.emplace(entry, std::move(read)).first;
    }
    const auto& service = services_[plan_.numbers().service(probe)];
    return is_blocked(known->second, {header_.source, header_.destination, service.protocol,
                                      header_.source_port, service.port});
}

}  // namespace ksms
