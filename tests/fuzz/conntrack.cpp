// SPDX-License-Identifier: BSD-2-Clause
// Entries of the connection tracking: of which packet they are, and what is sent back to remove
// them.
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "messages.hpp"
#include "os/parse.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

/// The part of an entry that a removal repeats, as it went and as it comes.
Flow repeated(const Attributes& entry, int family) {
    Message removal(0, 0);
    removal.fixed<nfgenmsg>().nfgen_family = static_cast<std::uint8_t>(family);
    removal.put(entry[CTA_TUPLE_ORIG]);
    if (!removal.whole()) return original_of(entry, family);
    return original_of(Attributes(removal.header(), sizeof(nfgenmsg), CTA_MAX), family);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for_each_message(data, size, [](const nlmsghdr* message) {
        const Attributes entry(message, sizeof(nfgenmsg), CTA_MAX);
        for (const int family : {AF_INET, AF_INET6}) {
            const auto flow = original_of(entry, family);
            holds(flow.source.family == 0 || flow.source.family == family);
            holds(flow.destination.family == 0 || flow.destination.family == family);
            if (entry[CTA_TUPLE_ORIG] != nullptr)
                holds(repeated(entry, family) == flow);
            else
                holds(flow == Flow{});
        }
    });
    return 0;
}
