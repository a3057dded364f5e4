// SPDX-License-Identifier: BSD-2-Clause
// What the sets and named limits of nftables say about a scan.
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <utility>

#include "os/firewall_rules.hpp"
#include "os/message.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

constexpr std::uint64_t kProbeBytes = 80;

/// Of an expression that a set has for each of its elements; 0: it limits nothing.
nanoseconds interval_of_expression(const nlattr* expression) {
    if (expression == nullptr) return nanoseconds(0);
    const Attributes parts(expression, NFTA_EXPR_MAX);
    const auto name = parts.text(NFTA_EXPR_NAME);
    if (name == "limit")
        return interval_of_limit(Attributes(parts[NFTA_EXPR_DATA], NFTA_LIMIT_MAX));
    return name == "connlimit" ? kConnections : nanoseconds(0);
}

}  // namespace

nanoseconds interval_of_limit(const Attributes& limit) {
    const auto rate = limit.be64(NFTA_LIMIT_RATE);
    const auto seconds = limit.be64(NFTA_LIMIT_UNIT);
    if (rate == 0 || seconds == 0) return kUsualInterval;
    const bool bytes = limit.be32(NFTA_LIMIT_TYPE) == NFT_LIMIT_PKT_BYTES;
    const auto interval = seconds * in_ns(std::chrono::seconds(1)) / rate;
    return interval_of(std::max<std::uint64_t>(1, interval * (bytes ? kProbeBytes : 1)));
}

nanoseconds slowest_of(const nlattr* one, const nlattr* several) {
    auto slowest = interval_of_expression(one);
    for_each_attribute(several, [&](const nlattr* each) {
        slowest = std::max(slowest, interval_of_expression(each));
    });
    return slowest;
}

bool any_expression(const nlattr* one, const nlattr* several,
                    const std::function<bool(std::string_view name)>& is) {
    const auto fits = [&](const nlattr* expression) {
        return is(Attributes(expression, NFTA_EXPR_MAX).text(NFTA_EXPR_NAME));
    };
    bool found = one != nullptr && fits(one);
    for_each_attribute(several, [&](const nlattr* each) { found |= fits(each); });
    return found;
}

bool has_quota(const nlattr* one, const nlattr* several) {
    return any_expression(one, several, [](std::string_view name) { return name == "quota"; });
}

std::string nft_key(const std::string& one, const std::string& other) {
    return one + '\0' + other;
}

std::string nft_key(std::uint8_t family, const std::string& table) {
    return nft_key(std::to_string(family), table);
}

std::string nft_key(std::uint8_t family, const std::string& table, const std::string& set) {
    return nft_key(nft_key(family, table), set);
}

std::optional<NftSet> parse_nft_set(const nlmsghdr* message) {
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general) return std::nullopt;
    const Attributes set(message, sizeof *general, NFTA_SET_MAX);
    const auto *one = set[NFTA_SET_EXPR], *several = set[NFTA_SET_EXPRESSIONS];
    NftSet result;
    result.family = general->nfgen_family;
    result.table = set.text(NFTA_SET_TABLE);
    result.name = set.text(NFTA_SET_NAME);
    result.interval = slowest_of(one, several);
    result.quota = has_quota(one, several);
    result.objects = set.be32(NFTA_SET_OBJ_TYPE);
    constexpr std::uint32_t fixed = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
    const auto flags = set.be32(NFTA_SET_FLAGS);
    result.ports = (flags & fixed) == fixed && (flags & (NFT_SET_MAP | NFT_SET_OBJECT)) == 0 &&
                   set.be32(NFTA_SET_KEY_LEN) == sizeof(std::uint16_t);
    result.spans = (flags & NFT_SET_INTERVAL) != 0;
    if (result.interval == nanoseconds(0) && !result.quota && result.objects == 0 && !result.ports)
        return std::nullopt;
    return result;
}

std::optional<NftLimit> parse_nft_limit(const nlmsghdr* message) {
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general) return std::nullopt;
    const Attributes object(message, sizeof *general, NFTA_OBJ_MAX);
    if (object.be32(NFTA_OBJ_TYPE) != NFT_OBJECT_LIMIT) return std::nullopt;
    const Attributes limit(object[NFTA_OBJ_DATA], NFTA_LIMIT_MAX);
    return NftLimit{nft_key(general->nfgen_family, object.text(NFTA_OBJ_TABLE)),
                    object.text(NFTA_OBJ_NAME), interval_of_limit(limit),
                    (limit.be32(NFTA_LIMIT_FLAGS) & NFT_LIMIT_F_INV) != 0};
}

std::vector<NftPortElement> parse_nft_ports(const nlmsghdr* message) {
    std::vector<NftPortElement> ports;
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general) return ports;
    const Attributes list(message, sizeof *general, NFTA_SET_ELEM_LIST_MAX);
    for_each_attribute(list[NFTA_SET_ELEM_LIST_ELEMENTS], [&](const nlattr* each) {
        const Attributes element(each, NFTA_SET_ELEM_MAX);
        const Attributes key(element[NFTA_SET_ELEM_KEY], NFTA_DATA_MAX);
        const auto value = key.bytes(NFTA_DATA_VALUE);
        if (value.size() < 2) return;
        const bool end = (element.be32(NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0;
        ports.push_back({static_cast<std::uint16_t>(value[0] << 8 | value[1]), end});
    });
    return ports;
}

/// An interval is two elements: its first port, and the one behind its last.
std::vector<PortSpan> port_spans(std::vector<NftPortElement> elements, bool intervals) {
    std::ranges::sort(elements, {},
                      [](const auto& each) { return std::pair(each.port, !each.end); });
    std::vector<PortSpan> spans;
    for (const auto& [port, end] : elements) {
        // In a map one may begin where another ends, which then has no end of its own.
        const bool open = intervals && !spans.empty() && spans.back().last == 65535;
        if (open) spans.back().last = static_cast<std::uint16_t>(port - 1);
        if (!end) spans.push_back({port, intervals ? std::uint16_t{65535} : port});
    }
    return spans;
}

}  // namespace ksms
