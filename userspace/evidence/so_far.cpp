// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/so_far.hpp"

#include <algorithm>
#include <utility>

#include "judge/summary.hpp"

namespace ksms {

SoFar::SoFar(const Plan& plan, const std::vector<Service>& services, Collector collector,
             JudgeContext context, std::function<void(const Report&)> tell)
    : plan_(plan),
      services_(services),
      collector_(collector),
      context_(std::move(context)),
      tell_(std::move(tell)) {
    if (!wanted()) return;
    missing_.assign(std::min(services.size(), kMostSoFar), 0);
    const auto numbers = plan.numbers();
    for (std::uint32_t probe = 0; probe < plan.path_of.size(); ++probe) {
        const auto service = numbers.service(probe);
        if (service < missing_.size() && !plan.paths[plan.path_of[probe]].elsewhere)
            ++missing_[service];
    }
}

void SoFar::tell(std::span<const std::uint8_t> sent, Instant remembered_from) {
    for (const auto probe : std::exchange(fresh_, {})) {
        const auto service = plan_.numbers().service(probe);
        if (service >= missing_.size() || missing_[service] == 0) continue;
        if (--missing_[service] == 0) tell_service(service, sent, remembered_from);
    }
}

void SoFar::tell_service(std::size_t service, std::span<const std::uint8_t> sent,
                         Instant remembered_from) {
    const std::vector<Service> one{services_[service]};
    Summary summary(plan_, one);
    ProbeEvidence evidence;
    for (std::size_t entry = 0; entry < plan_.entries.size(); ++entry) {
        const auto probe = plan_.numbers().probe(entry, service);
        if (plan_.paths[plan_.path_of[probe]].elsewhere) continue;
        collector_.collect(probe, evidence);
        evidence.sent = sent[evidence.probe];
        evidence.remembered_from = remembered_from;
        summary.add(entry, 0, judge(plan_, entry, service, evidence, context_), evidence.sent);
    }
    Report report;
    summary.finish(collector_.words(), report);
    tell_(report);
}

}  // namespace ksms
