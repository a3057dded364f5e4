// SPDX-License-Identifier: BSD-2-Clause
// The rules of an iptables-legacy table as the kernel has them. The first byte is the family.
#include <sys/socket.h>

#include <array>
#include <vector>

#include "holds.hpp"
#include "os/parse.hpp"
#include "os/port_rules.hpp"
#include "os/xtables.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // In memory of its own, which ends where the table does.
    const std::vector<std::uint8_t> entries(data + 1, data + size);
    const auto rules = parse_legacy_rules(entries, data[0] % 2 == 0 ? AF_INET : AF_INET6);
    for (const auto& limit : rules.limits) holds(limit.interval > nanoseconds(0));
    for (const auto& list : rules.lists)
        holds(list.adds || list.removes || list.stops || list.passes);
    constexpr std::size_t shortest = 112 + 32;  // ipt_entry and its target
    holds(rules.limits.size() * shortest <= entries.size());
    holds(rules.dscp.size() * shortest <= entries.size());
    PortRules ports;
    add_legacy_ports({"", {}, entries}, data[0] % 2 == 0 ? AF_INET : AF_INET6, ports);
    holds(ports.unread.empty() || entries.size() >= 112);
    return 0;
}
