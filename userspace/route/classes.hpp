// SPDX-License-Identifier: BSD-2-Clause
// Services that no routing rule tells apart take one way: the kernel is asked once for each class,
// not once for each of 65,535 ports.
#pragma once

#include <cstdint>
#include <vector>

#include "base/service.hpp"
#include "os/netlink.hpp"

namespace ksms {

class ServiceClasses {
public:
    explicit ServiceClasses(const std::vector<Service>& services) : services_(services) {}

    /// Takes what these rules compare of a service.
    /// @return true: something new; the classes are finer now
    bool refine(const std::vector<RoutingRule>& rules);
    /// The class of each service; classes are numbered from 0.
    [[nodiscard]] std::vector<std::uint32_t> classes() const;

private:
    struct Condition {
        std::uint8_t protocol;
        std::uint16_t first, last;  ///< destination ports; last 0: any
        auto operator<=>(const Condition&) const = default;
        [[nodiscard]] bool matches(const Service& service) const {
            return (protocol == 0 || protocol == service.protocol) &&
                   (last == 0 || (service.port >= first && service.port <= last));
        }
    };
    const std::vector<Service>& services_;
    std::vector<Condition> conditions_;  ///< sorted
};

}  // namespace ksms
