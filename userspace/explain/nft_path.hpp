// SPDX-License-Identifier: BSD-2-Clause
// The trace of a probe through nf_tables -> what decided in each base chain.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "explain/result.hpp"
#include "os/nftables.hpp"

namespace ksms {

/// A step by the numbers in the trace: which rule it was, and the jumps that led to it.
struct NftDecision {
    NftTraceStep step;
    std::vector<NftTraceStep> jumps;  ///< the base chain's first
    std::string hook;                 ///< of the base chain: "FORWARD"
    bool base_known{false};
    bool operator==(const NftDecision&) const = default;
};

/// One packet's steps -> the decisions in the order of its base chains. Where a packet was sent
/// several times, those of the last one that was dropped, else of the last.
std::vector<NftDecision> nft_decisions(const std::vector<NftTraceStep>& steps,
                                       const std::vector<NftChain>& chains);

[[nodiscard]] bool is_drop(const NftDecision& decision);

/// Numbers, kinds and texts of the decisions' rules: the kernel is asked for the first two, the
/// firewall's own tool for the text. What cannot be had stays empty, the text too where the tool
/// could take the name of a table or a chain for something else.
class NftRules {
public:
    NftRules(const Netns& netns, Netlink& netfilter, std::vector<NftChain> chains)
        : netns_(netns), netfilter_(netfilter), chains_(std::move(chains)) {}
    FirewallRule describe(const NftDecision& decision);

private:
    FirewallRule rule_of(const NftTraceStep& step, const std::string& hook);
    [[nodiscard]] bool is_iptables(const NftTraceStep& step) const;
    void number(FirewallRule& rule, const NftTraceStep& step);
    void add_text(FirewallRule& rule);

    const Netns& netns_;
    Netlink& netfilter_;
    std::vector<NftChain> chains_;
};

/// The text of the rule with this handle in what `nft -a list chain` printed; "" where it is not
/// there. A rule may take several lines.
[[nodiscard]] std::string text_by_handle(const std::string& listing, std::uint64_t handle);

}  // namespace ksms
