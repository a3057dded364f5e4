// SPDX-License-Identifier: BSD-2-Clause
// Chains, sets and rules of nftables, and what they say about a scan.
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include "messages.hpp"
#include "os/parse.hpp"
#include "os/port_rules.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

/// What a message says of ports, as a rule and as the elements of sets of every shape.
void ask_ports(const nlmsghdr* message, NftSets& sets) {
    if (auto shape = parse_nft_shape(message))
        sets.insert_or_assign(nft_key(shape->family, shape->table, shape->name), *shape);
    std::vector<NftKey> keys;
    parse_nft_keys(message, keys);
    for (const auto& key : keys) holds(!key.first.empty());
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general) return;
    const Attributes parts(message, sizeof *general, NFTA_RULE_MAX);
    for (const int family : {AF_INET, AF_INET6}) {
        const auto rule =
            read_nft_ports(parts[NFTA_RULE_EXPRESSIONS], family,
                           nft_key(general->nfgen_family, parts.text(NFTA_RULE_TABLE)), sets);
        for (const auto& lookup : rule.lookups) {
            const auto& set = sets.at(lookup.set);
            holds(lookup.offset + 2 <= set.key_length);
            for (const auto& question : questions_of(set, keys, lookup))
                holds(question.protocol == lookup.protocol);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    NftSurroundings around;
    NftSets sets;
    for_each_message(data, size, [&](const nlmsghdr* message) {
        ask_ports(message, sets);
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
