// SPDX-License-Identifier: BSD-2-Clause
#include "explain/watch.hpp"

#include <algorithm>

namespace ksms {
namespace {

Result<std::vector<NftChain>> chains_in(const Netns& netns) {
    KSMS_TRY(auto netfilter, Netlink::open_netfilter(netns));
    return nft_chains(netfilter);
}

}  // namespace

Watch::Watch(Netns netns, int family) : netns_(std::move(netns)), family_(family) {
    if (nftables_loaded()) {
        auto chains = chains_in(netns_);
        if (chains)
            chains_ = std::move(*chains);
        else
            no_trace_ = chains.error().text();
    }
    auto tables = read_legacy(netns_, family_);
    if (tables)
        before_ = std::move(*tables);
    else
        no_counters_ = tables.error().text();
}

bool Watch::wants_trace() const {
    return std::ranges::any_of(chains_, &NftChain::base);
}

void Watch::start(const std::vector<NftTraceMatch>& matches) {
    if (!wants_trace()) return;
    auto trace = NftTrace::start(netns_, matches);
    if (trace)
        trace_ = std::move(*trace);
    else
        no_trace_ = trace.error().text();
}

void Watch::finish() {
    if (trace_) {
        auto steps = trace_->finish();
        if (steps)
            steps_ = std::move(*steps);
        else
            no_trace_ = steps.error().text();
        trace_.reset();
    }
    if (before_.empty()) return;
    auto tables = read_legacy(netns_, family_);
    if (tables)
        after_ = std::move(*tables);
    else
        no_counters_ = tables.error().text();
}

}  // namespace ksms
