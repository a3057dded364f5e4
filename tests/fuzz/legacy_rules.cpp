// SPDX-License-Identifier: BSD-2-Clause
// Two outputs of iptables-legacy-save, before and after a probe, with a line "%" in between.
#include <sys/socket.h>

#include <algorithm>

#include "explain/legacy.hpp"
#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

std::size_t rules_in(const std::vector<LegacyTable>& tables) {
    std::size_t count = 0;
    for (const auto& table : tables)
        for (const auto& chain : table.chains) count += chain.rules.size();
    return count;
}

/// Is it a rule of the second output?
bool is_there(const FirewallRule& rule, const std::vector<LegacyTable>& tables) {
    return std::ranges::any_of(tables, [&](const LegacyTable& table) {
        const auto* chain = table.name == rule.table ? table.chain(rule.chain) : nullptr;
        if (chain == nullptr) return false;
        if (rule.policy) return chain->policy == "DROP";
        return rule.number && *rule.number <= chain->rules.size() &&
               chain->rules[*rule.number - 1].text == rule.text;
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = text_of(data, size);
    const auto middle = std::min(text.find("\n%\n"), size);
    const auto before = parse_legacy(text.substr(0, middle));
    const auto after = parse_legacy(text.substr(std::min(middle + 3, size)));
    holds(rules_in(before) <= static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1);
    for (const auto& table : before) {
        holds(table.by_name.size() == table.chains.size());
        for (const auto& chain : table.chains) holds(table.chain(chain.name) == &chain);
    }
    for (const auto& rule : risen(before, after, "", "tcp", AF_INET)) {
        holds(is_there(rule, after));
        holds(rule.verdict == "drop" || rule.verdict == "reject");
        for (const auto& jump : rule.jumps) holds(is_there(jump, after));
    }
    if (before.size() == 1) holds(risen(before, before, "FORWARD", "udp", AF_INET6).empty());
    return 0;
}
