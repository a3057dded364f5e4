// SPDX-License-Identifier: BSD-2-Clause
// Rate limits in nftables and iptables-nft: NFT_MSG_GETRULE, linux/netfilter/nf_tables.h.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>

#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/nftables.hpp"
#include "os/parse.hpp"
#include "os/rate_limit.hpp"

#include "base/clock.hpp"

namespace ksms {
namespace {

constexpr std::uint64_t kProbeBytes = 80;
/// Expressions that decide what becomes of a packet, beside verdicts.
constexpr std::string_view kDecisions[] = {"reject", "queue", "synproxy", "dynset", "notrack",
                                           "nat",    "masq",  "redir",    "tproxy", "fwd"};

/// A rule, built up from its expressions.
class Rule {
public:
    void take_list(const nlattr* list) {
        for_each_attribute(list, [this](const nlattr* expression) { take(expression); });
    }
    [[nodiscard]] std::optional<RateLimit> limit() const {
        if (limit_.interval == nanoseconds(0) || !decides_) return std::nullopt;
        return limit_;
    }

private:
    void take(const nlattr* expression) {
        const Attributes parts(expression, NFTA_EXPR_MAX);
        const auto name = parts.text(NFTA_EXPR_NAME);
        const auto* data = parts[NFTA_EXPR_DATA];
        if (name == "limit") take_limit(Attributes(data, NFTA_LIMIT_MAX));
        if (name == "connlimit") slower(kConnections);
        if (name == "match") take_match(Attributes(data, NFTA_MATCH_MAX));
        if (name == "dynset") {
            const Attributes set(data, NFTA_DYNSET_MAX);
            if (set[NFTA_DYNSET_EXPR] != nullptr) take(set[NFTA_DYNSET_EXPR]);
            take_list(set[NFTA_DYNSET_EXPRESSIONS]);
        }
        if (name == "objref" &&
            Attributes(data, NFTA_OBJREF_MAX).be32(NFTA_OBJREF_IMM_TYPE) == NFT_OBJECT_LIMIT)
            slower(kUsualInterval);
        if (name == "payload" || name == "meta") take_load(name, data);
        decides_ |= writes(name, data);
        if (name == "cmp") take_comparison(Attributes(data, NFTA_CMP_MAX));
        if (name == "range") take_range(Attributes(data, NFTA_RANGE_MAX));
        if (name == "target")
            decides_ |= !only_notes(Attributes(data, NFTA_TARGET_MAX).text(NFTA_TARGET_NAME));
        if (name == "immediate")
            decides_ |=
                Attributes(data, NFTA_IMMEDIATE_MAX).be32(NFTA_IMMEDIATE_DREG) == NFT_REG_VERDICT;
        if (name == "lookup") {
            const Attributes lookup(data, NFTA_LOOKUP_MAX);
            decides_ |= lookup[NFTA_LOOKUP_DREG] != nullptr &&
                        lookup.be32(NFTA_LOOKUP_DREG) == NFT_REG_VERDICT;
        }
        decides_ |= std::ranges::find(kDecisions, name) != std::end(kDecisions);
    }

    /// Does it set a mark or the like?
    static bool writes(const std::string& name, const nlattr* data) {
        if (name == "meta") return Attributes(data, NFTA_META_MAX)[NFTA_META_SREG] != nullptr;
        if (name == "ct") return Attributes(data, NFTA_CT_MAX)[NFTA_CT_SREG] != nullptr;
        if (name == "payload")
            return Attributes(data, NFTA_PAYLOAD_MAX)[NFTA_PAYLOAD_SREG] != nullptr;
        return false;
    }

    void slower(nanoseconds interval) { limit_.interval = std::max(limit_.interval, interval); }

    void take_limit(const Attributes& limit) {
        const auto rate = limit.be64(NFTA_LIMIT_RATE);
        const auto seconds = limit.be64(NFTA_LIMIT_UNIT);
        if (rate == 0 || seconds == 0) return slower(kUsualInterval);
        const bool bytes = limit.be32(NFTA_LIMIT_TYPE) == NFT_LIMIT_PKT_BYTES;
        const auto interval = seconds * in_ns(std::chrono::seconds(1)) / rate;
        slower(interval_of(std::max<std::uint64_t>(1, interval * (bytes ? kProbeBytes : 1))));
    }

    void take_match(const Attributes& match) {
        const auto interval = xtables_interval(
            match.text(NFTA_MATCH_NAME), match.be32(NFTA_MATCH_REV), match.bytes(NFTA_MATCH_INFO));
        if (interval) slower(*interval);
    }

    /// Notes what the next comparison refers to.
    void take_load(const std::string& name, const nlattr* data) {
        loaded_ = Loaded::other;
        if (name == "meta") {
            if (Attributes(data, NFTA_META_MAX).be32(NFTA_META_KEY) == NFT_META_L4PROTO)
                loaded_ = Loaded::protocol;
            return;
        }
        const Attributes payload(data, NFTA_PAYLOAD_MAX);
        const auto base = payload.be32(NFTA_PAYLOAD_BASE);
        const auto offset = payload.be32(NFTA_PAYLOAD_OFFSET);
        if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 &&
            payload.be32(NFTA_PAYLOAD_LEN) == 2)
            loaded_ = Loaded::port;
    }

    void take_comparison(const Attributes& comparison) {
        const auto value = number_in(comparison[NFTA_CMP_DATA]);
        if (!value) return;
        const auto operation = comparison.be32(NFTA_CMP_OP);
        if (operation == NFT_CMP_EQ && loaded_ == Loaded::protocol)
            limit_.protocol = static_cast<std::uint8_t>(*value >> 8);
        if (loaded_ != Loaded::port) return;
        if (operation == NFT_CMP_EQ || operation == NFT_CMP_GTE) limit_.first = *value;
        if (operation == NFT_CMP_EQ || operation == NFT_CMP_LTE) limit_.last = *value;
    }

    void take_range(const Attributes& range) {
        const auto from = number_in(range[NFTA_RANGE_FROM_DATA]);
        const auto to = number_in(range[NFTA_RANGE_TO_DATA]);
        const bool inside = range.be32(NFTA_RANGE_OP) == NFT_RANGE_EQ;
        if (loaded_ != Loaded::port || !inside || !from || !to) return;
        limit_.first = *from;
        limit_.last = *to;
    }

    /// The first two bytes, in network order; a single byte is the upper one.
    static std::optional<std::uint16_t> number_in(const nlattr* data) {
        const Attributes value(data, NFTA_DATA_MAX);
        const auto bytes = value.bytes(NFTA_DATA_VALUE);
        if (bytes.empty()) return std::nullopt;
        return static_cast<std::uint16_t>(bytes[0] << 8 | (bytes.size() > 1 ? bytes[1] : 0));
    }

    enum class Loaded { other, protocol, port };
    Loaded loaded_{Loaded::other};
    bool decides_{false};
    RateLimit limit_;
};

bool concerns(std::uint8_t table_family, int family) {
    return table_family != (family == AF_INET ? NFPROTO_IPV6 : NFPROTO_IPV4) &&
           table_family != NFPROTO_ARP;
}

}  // namespace

std::optional<RateLimit> parse_nft_limit(const nlmsghdr* message, int family) {
    const auto* general = fixed_part<nfgenmsg>(message);
    if (general == nullptr || !concerns(general->nfgen_family, family)) return std::nullopt;
    const Attributes parts(message, sizeof *general, NFTA_RULE_MAX);
    Rule rule;
    rule.take_list(parts[NFTA_RULE_EXPRESSIONS]);
    return rule.limit();
}

Status add_nft_limits(const Netns& netns, int family, std::vector<RateLimit>& to) {
    if (!nftables_loaded()) return {};
    KSMS_TRY(auto netfilter, Netlink::open_netfilter(netns));
    Message request(nft_message(NFT_MSG_GETRULE), 0);
    request.fixed<nfgenmsg>().nfgen_family = NFPROTO_UNSPEC;
    const auto limits = list(netfilter, request, "read the rules of nftables in " + netns.name(),
                             [&](const nlmsghdr* rule) { return parse_nft_limit(rule, family); });
    // A kernel without nftables does not know the request.
    const int err = limits ? 0 : limits.error().err;
    if (err == EINVAL || err == EOPNOTSUPP) return {};
    if (!limits) return std::unexpected(limits.error());
    to.insert(to.end(), limits->begin(), limits->end());
    return {};
}

}  // namespace ksms
