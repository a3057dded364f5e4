// SPDX-License-Identifier: BSD-2-Clause
// The trace of packets through nf_tables, and what decided on one of them. The same datagram names
// the chains.
#include <linux/netfilter.h>

#include <algorithm>

#include "explain/nft_path.hpp"
#include "messages.hpp"
#include "os/parse.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<NftTraceStep> steps;
    std::vector<NftChain> chains;
    for_each_message(data, size, [&](const nlmsghdr* message) {
        if (auto step = parse_nft_step(message)) {
            fits(message, step->table);
            fits(message, step->chain);
            fits(message, step->target);
            holds(step->verdict <= NF_VERDICT_MASK || step->kind == NftTraceStep::Kind::policy);
            steps.push_back(std::move(*step));
        } else if (auto chain = parse_nft_chain(message)) {
            chains.push_back(std::move(*chain));
        }
    });
    const auto decisions = nft_decisions(steps, chains);
    holds(decisions.size() <= steps.size());
    for (const auto& decision : decisions) {
        holds(std::ranges::find(steps, decision.step) != steps.end());
        holds(decision.step.packet == decisions.front().step.packet);
        holds(decision.base_known || decision.hook.empty());
        holds(decision.jumps.size() < steps.size());
        // Where anything was dropped, the packet of which it is told was.
        if (is_drop(decision)) holds(decision.step.verdict == NF_DROP);
    }
    return 0;
}
