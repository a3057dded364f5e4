// SPDX-License-Identifier: BSD-2-Clause
// Chains, sets and rules of nftables, and what they say about a scan.
#include "messages.hpp"
#include "os/parse.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    NftSurroundings around;
    for_each_message(data, size, [&around](const nlmsghdr* message) {
        if (auto set = parse_nft_set(message)) {
            holds(set->interval > nanoseconds(0) || set->quota || set->objects != 0 || set->ports);
            around.sets.push_back(std::move(*set));
        }
        for (const bool intervals : {false, true})
            for (const auto& span : port_spans(parse_nft_ports(message), intervals))
                holds(span.first <= span.last);
        if (const auto chain = parse_nft_chain(message)) {
            fits(message, chain->table);
            fits(message, chain->name);
            holds(chain->base || (chain->hook == 0 && chain->priority == 0));
        }
        const bool rejects = parse_nft_rule(message).value_or(NftRule{}).rejects;
        for (const int family : {AF_INET, AF_INET6}) {
            RuleBook book;
            parse_nft_scan_rule(message, family, around, book);
            FirewallRules rules;
            book.enter_into(rules);
            for (const auto& limit : rules.limits) holds(limit.interval > nanoseconds(0));
            for (const auto& list : rules.lists)
                holds(list.adds || list.removes || list.stops || list.passes);
            if (rules.limits.empty() && rules.lists.empty() && rules.dscp.empty()) continue;
            // Nothing was there to be limited or rejected but in a list of expressions.
            holds(message->nlmsg_len > NLMSG_HDRLEN + sizeof(nfgenmsg));
            holds(!rejects || message->nlmsg_len > 2 * NLMSG_HDRLEN);
        }
    });
    return 0;
}
