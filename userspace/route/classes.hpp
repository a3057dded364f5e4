// SPDX-License-Identifier: BSD-2-Clause
// Services that no rule tells apart. Those that no routing rule tells apart take one way: the
// kernel is asked once for each class, not once for each of 65,535 ports. Those that no firewall
// rule tells apart either have one answer (--classes).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/service.hpp"
#include "judge/plan.hpp"
#include "os/netlink.hpp"
#include "os/port_rules.hpp"
#include "route/network.hpp"
#include "route/request.hpp"

namespace ksms {

class ServiceClasses {
public:
    explicit ServiceClasses(const std::vector<Service>& services) : services_(services) {}

    /// Takes what these rules ask about a service.
    /// @return true: something new; the classes are finer now
    bool refine(const std::vector<RoutingRule>& rules);
    void refine(const std::vector<PortQuestion>& questions);
    /// The class of each service; classes are numbered from 0 as they come. A class has one
    /// protocol.
    [[nodiscard]] std::vector<std::uint32_t> classes() const;

private:
    bool refine(PortQuestion question);
    const std::vector<Service>& services_;
    std::set<PortQuestion> questions_;
};

/// Classes of services that have one answer.
struct AnswerClasses {
    std::vector<std::uint32_t> class_of;  ///< per service, as ServiceClasses::classes()
    /// Why each service is a class of its own: "r1: inet t f handle 7 may tell ports apart"; "":
    /// they are not.
    std::string each_alone;
};

/// @param plan  of this request, after survey_firewalls()
AnswerClasses classes_on_the_way(Network& network, const ScanRequest& request, const Plan& plan);

}  // namespace ksms
