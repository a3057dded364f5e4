// SPDX-License-Identifier: BSD-2-Clause
// Finds the decision of each base chain in the nf_tables trace of a probe.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "explain/result.hpp"
#include "os/nftables.hpp"

namespace ksms {

/// The deciding step of a base chain and the jumps that led to it.
struct NftDecision {
    NftTraceStep step;
    std::vector<NftTraceStep> jumps;  ///< from the base chain on
    std::string hook;                 ///< of the base chain: "FORWARD"
    bool base_known{false};
    bool operator==(const NftDecision&) const = default;
};

/// The decisions of a packet in the order of its base chains. Of several packets, those of the last
/// one that was dropped, else of the last one.
std::vector<NftDecision> nft_decisions(const std::vector<NftTraceStep>& steps,
                                       const std::vector<NftChain>& chains);

[[nodiscard]] bool is_drop(const NftDecision& decision);

/// Describes the rules of decisions: number and kind from the kernel, the text from the firewall's
/// tool. Unknown parts stay empty, also the text if the tool could misread the name of a table or
/// chain.
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

/// The text of the rule with this handle in the output of `nft -a list chain`; "" if it is missing.
/// A rule may have several lines.
[[nodiscard]] std::string text_by_handle(const std::string& listing, std::uint64_t handle);

}  // namespace ksms
