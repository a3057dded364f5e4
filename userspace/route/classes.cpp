// SPDX-License-Identifier: BSD-2-Clause
#include "route/classes.hpp"

#include <algorithm>
#include <map>

namespace ksms {

bool ServiceClasses::refine(const std::vector<RoutingRule>& rules) {
    bool finer = false;
    for (const auto& rule : rules) {
        if (rule.protocol == 0 && rule.port_last == 0) continue;
        const Condition condition{rule.protocol, rule.port_first, rule.port_last};
        const auto at = std::ranges::lower_bound(conditions_, condition);
        if (at != conditions_.end() && *at == condition) continue;
        conditions_.insert(at, condition);
        finer = true;
    }
    return finer;
}

std::vector<std::uint32_t> ServiceClasses::classes() const {
    std::vector<std::uint32_t> result;
    result.reserve(services_.size());
    std::map<std::vector<bool>, std::uint32_t> numbers;
    std::vector<bool> signature(conditions_.size() + 1);
    for (const auto& service : services_) {
        // The protocol itself: a route can only be asked for one.
        signature[0] = service.protocol == 6;
        for (std::size_t i = 0; i < conditions_.size(); ++i)
            signature[i + 1] = conditions_[i].matches(service);
        result.push_back(numbers.try_emplace(signature, static_cast<std::uint32_t>(numbers.size()))
                             .first->second);
    }
    return result;
}

}  // namespace ksms
