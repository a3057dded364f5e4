// SPDX-License-Identifier: BSD-2-Clause
#include "judge/empty_row.hpp"

namespace ksms {

ProbeVerdict::AtRouter empty_row(const Plan& plan, std::size_t entry, std::uint32_t service,
                                 const ProbeEvidence& evidence, const WalkStep& step,
                                 std::size_t place) {
    ProbeVerdict::AtRouter row;
    row.router = step.router;
    const auto& injection = plan.entries[entry].injection;
    row.hop = injection ? injection->hop : static_cast<std::uint32_t>(place + 1);
    row.ingress_iface = step.ingress.name;
    row.egress_iface = step.egress.name;
    auto& answer = row.answer;
    answer.service = service;
    const auto& seen = evidence.routers[step.router];
    const auto count = [](std::uint64_t number) { return static_cast<std::uint32_t>(number); };
    answer.ingress_packets = count(evidence.own ? seen.in_packets : seen.in.packets);
    answer.ingress_bytes = count(evidence.own ? seen.in_bytes : seen.in.bytes);
    answer.egress_packets = count(evidence.own ? seen.out_packets : seen.out.packets);
    answer.egress_bytes = count(evidence.own ? seen.out_bytes : seen.out.bytes);
    answer.strangers = seen.in.strangers + seen.out.strangers;
    return row;
}

}  // namespace ksms
