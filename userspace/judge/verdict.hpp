// SPDX-License-Identifier: BSD-2-Clause
// Evidence -> verdicts. A pure function: no clock, no kernel, no state.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "judge/evidence.hpp"
#include "judge/network_question.hpp"
#include "judge/plan.hpp"
#include "judge/report.hpp"

namespace ksms {

/// What the judge must know beside the evidence.
struct JudgeContext {
    bool drops_seen{true};      ///< the kfree_skb hook was on
    bool accepted_seen{false};  ///< trails tell what a namespace takes for itself (Linux 6.4)
    bool interrupted{false};    ///< a signal ended the scan before every probe had its time
    bool out_of_time{false};    ///< its deadline did
    std::uint8_t dscp{0};       ///< that probes are sent with
    /// (router, egress ifindex): the gateway there does not answer
    std::set<std::pair<std::size_t, std::uint32_t>> missing_gateways;
    /// (router, egress ifindex): the destination does not answer and got a temporary entry
    std::set<std::pair<std::size_t, std::uint32_t>> faked_neighbours;
    bool assume_next_hop{false};  ///< a router that would have sent it there has passed it
    std::vector<bool> source_gateway_missing;  ///< per entry
    std::vector<std::string> broken_routers;   ///< per router: "" or which of its taps is gone
    /// per router: its egress taps see a packet before anybody knows the address of its next hop
    /// (netfilter). Empty: none does.
    std::vector<bool> taps_before_neighbours;
    NetworkAnswers answers;  ///< to ProbeVerdict::open of an earlier judgement
    [[nodiscard]] bool before_neighbours(std::size_t router) const {
        return router < taps_before_neighbours.size() && taps_before_neighbours[router];
    }
    [[nodiscard]] bool cut_short() const { return interrupted || out_of_time; }
};

/// One row: this entry and service over the routers of the plan. Its texts are those of the plan,
/// the context and the evidence, which outlive it.
struct ProbeVerdict {
    struct AtRouter {
        std::size_t router{0};  ///< index into Plan::routers
        std::uint32_t hop{0};
        std::string ingress_iface, egress_iface;
        ServiceAtRouter answer;
        std::string_view text;  ///< of answer.text
        Change change;
    };
    std::vector<AtRouter> walk;  ///< routers on its way, in order
    Verdict result{Verdict::unknown};
    Cause cause;
    std::string_view text, iface, netns;  ///< of the cause
    Notes notes;
    Arrival arrival;
    std::string_view host;  ///< of the arrival
    /// What must be known for a verdict that holds. It was judged as if each answer were no.
    std::vector<NetworkQuestion> open;
};

ProbeVerdict judge(const Plan& plan, std::size_t entry, std::size_t service,
                   const ProbeEvidence& evidence, const JudgeContext& context);

}  // namespace ksms
