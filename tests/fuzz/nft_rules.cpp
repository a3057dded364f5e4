// SPDX-License-Identifier: BSD-2-Clause
// Chains and rules of nftables, and the rate limits in them.
#include "messages.hpp"
#include "os/parse.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for_each_message(data, size, [](const nlmsghdr* message) {
        if (const auto chain = parse_nft_chain(message)) {
            fits(message, chain->table);
            fits(message, chain->name);
            holds(chain->base || (chain->hook == 0 && chain->priority == 0));
        }
        const bool rejects = parse_nft_rule(message).value_or(NftRule{}).rejects;
        for (const int family : {AF_INET, AF_INET6}) {
            const auto limit = parse_nft_limit(message, family);
            if (!limit) continue;
            holds(limit->interval > nanoseconds(0));
            // Nothing was there to be limited or rejected but in a list of expressions.
            holds(message->nlmsg_len > NLMSG_HDRLEN + sizeof(nfgenmsg));
            holds(!rejects || message->nlmsg_len > 2 * NLMSG_HDRLEN);
        }
    });
    return 0;
}
