// SPDX-License-Identifier: BSD-2-Clause
// What is known of services while their scan runs.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/service.hpp"
#include "evidence/collector.hpp"
#include "judge/plan.hpp"
#include "judge/report.hpp"
#include "judge/verdict.hpp"

namespace ksms {

/// Of the first services that many, in the order asked: it is for people who watch.
constexpr std::size_t kMostSoFar = 1000;

class SoFar {
public:
    /// @param context  without what is only known in the end
    /// @param tell     empty: nobody wants to know, and nothing is kept
    SoFar(const Plan& plan, const std::vector<Service>& services, Collector collector,
          JudgeContext context, std::function<void(const Report&)> tell);
    [[nodiscard]] bool wanted() const { return static_cast<bool>(tell_); }
    /// These are accounted for; each once.
    void note(std::uint32_t probe) { fresh_.push_back(probe); }
    /// Tells of the services that are complete since the last call.
    /// @param sent             per probe: how often
    /// @param remembered_from  see ProbeEvidence
    void tell(std::span<const std::uint8_t> sent, Instant remembered_from);

private:
    void tell_service(std::size_t service, std::span<const std::uint8_t> sent,
                      Instant remembered_from);

    const Plan& plan_;
    const std::vector<Service>& services_;
    Collector collector_;
    JudgeContext context_;
    std::function<void(const Report&)> tell_;
    std::vector<std::uint32_t> missing_;  ///< probes of each service that are not accounted for
    std::vector<std::uint32_t> fresh_;
};

}  // namespace ksms
