// SPDX-License-Identifier: BSD-2-Clause
#include "scan/stop_text.hpp"

#include "scan/drop_text.hpp"

namespace ksms {

std::string stop_text(const DropEvidence& drop, const std::string& hook, const PlanPath& path,
                      std::size_t router) {
    const bool refused =
        path.end == PathEnd::refused && !path.refusal.empty() && path.hops.back().router == router;
    if (drop.count == 0)
        return refused ? "came in and did not go out; its route is " + path.refusal
                       : "came in and did not go out";
    return refused && is_routing(drop) ? route_text(drop, path.refusal) : drop_text(drop, hook);
}

}  // namespace ksms
