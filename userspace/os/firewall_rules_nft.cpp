// SPDX-License-Identifier: BSD-2-Clause
// The rules of nftables and iptables-nft: NFT_MSG_GETRULE, linux/netfilter/nf_tables.h.
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

#include "os/firewall_rules.hpp"
#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/nftables.hpp"
#include "os/parse.hpp"

#include "base/clock.hpp"

namespace ksms {
namespace {

/// Expressions that decide what becomes of a packet, beside verdicts.
constexpr std::string_view kDecisions[] = {"queue", "synproxy", "notrack", "nat", "masq",
                                           "redir", "tproxy",   "fwd",     "dup"};

/// A rule, built up from its expressions.
class Rule {
public:
    Rule(std::uint8_t family, std::string table, const NftSurroundings& around)
        : family_(family), table_(std::move(table)), around_(around) {}

    RuleParts take_all(const nlattr* list) {
        for_each_attribute(list, [this](const nlattr* expression) { take(expression); });
        return std::move(rule_);
    }

private:
    void take(const nlattr* expression) {
        const Attributes parts(expression, NFTA_EXPR_MAX);
        const auto name = parts.text(NFTA_EXPR_NAME);
        const auto* data = parts[NFTA_EXPR_DATA];
        use_loaded(name, data);
        if (name == "limit") take_limit(Attributes(data, NFTA_LIMIT_MAX));
        if (name == "connlimit") rule_.limit(kConnections);
        if (name == "quota" || name == "numgen") rule_.remember();
        if (name == "objref") take_object(Attributes(data, NFTA_OBJREF_MAX));
        if (name == "match") take_match(Attributes(data, NFTA_MATCH_MAX));
        if (name == "target") take_target(Attributes(data, NFTA_TARGET_MAX));
        if (name == "payload" || name == "meta" || name == "ct") take_load(name, data);
        if (name == "cmp") take_comparison(Attributes(data, NFTA_CMP_MAX));
        if (name == "range") take_range(Attributes(data, NFTA_RANGE_MAX));
        if (name == "dynset") take_dynset(Attributes(data, NFTA_DYNSET_MAX));
        if (name == "lookup") take_lookup(Attributes(data, NFTA_LOOKUP_MAX));
        if (name == "immediate") take_immediate(Attributes(data, NFTA_IMMEDIATE_MAX));
        if (name == "reject") rule_.effect = RuleEffect::stops;
        rule_.synproxy |= name == "synproxy";
        if (const auto ports = ports_.given_by(name, data)) rule_.gives_port = ports;
        rule_.marks |= sets_mark(name, data);
        if (writes(name, data) || std::ranges::find(kDecisions, name) != std::end(kDecisions))
            rule_.effect = RuleEffect::either;
    }

    /// Does it set a mark, a field or the like?
    static bool writes(const std::string& name, const nlattr* data) {
        if (name == "meta") return Attributes(data, NFTA_META_MAX)[NFTA_META_SREG] != nullptr;
        if (name == "ct") return Attributes(data, NFTA_CT_MAX)[NFTA_CT_SREG] != nullptr;
        if (name == "payload")
            return Attributes(data, NFTA_PAYLOAD_MAX)[NFTA_PAYLOAD_SREG] != nullptr;
        if (name == "exthdr") return Attributes(data, NFTA_EXTHDR_MAX)[NFTA_EXTHDR_SREG] != nullptr;
        return false;
    }

    /// Not if it sets 0.
    [[nodiscard]] bool sets_mark(const std::string& name, const nlattr* data) const {
        if (zero_ || !writes(name, data)) return false;
        return (name == "meta" &&
                Attributes(data, NFTA_META_MAX).be32(NFTA_META_KEY) == NFT_META_MARK) ||
               (name == "ct" && Attributes(data, NFTA_CT_MAX).be32(NFTA_CT_KEY) == NFT_CT_MARK);
    }

    /// A DSCP that was loaded is looked at by whatever comes next, unless that writes it back.
    void use_loaded(const std::string& name, const nlattr* data) {
        loaded_before_ = loaded_;
        static constexpr std::string_view compares[] = {"cmp", "range"};
        const bool same = name == "bitwise" || name == "byteorder";
        if (same && (loaded_ == Loaded::dscp || loaded_ == Loaded::mark)) return;
        // In a set or a map.
        rule_.asks_marked |= loaded_ == Loaded::mark && name == "lookup" &&
                             Attributes(data, NFTA_LOOKUP_MAX).be32(NFTA_LOOKUP_FLAGS) == 0;
        if (loaded_ == Loaded::dscp && (name != "payload" || !writes(name, data)))
            rule_.reads_dscp = true;
        // Others change it, or load something of their own (bitwise, ct, fib, numgen, …).
        if (loaded_ == Loaded::dscp || std::ranges::find(compares, name) == std::end(compares))
            loaded_ = Loaded::other;
    }

    void take_limit(const Attributes& limit) {
        rule_.limits_slow |= (limit.be32(NFTA_LIMIT_FLAGS) & NFT_LIMIT_F_INV) == 0;
        rule_.limit(interval_of_limit(limit));
    }

    /// Named, or by a map that says which one: of what kind these are the map alone knows.
    void take_object(const Attributes& object) {
        const auto name = object.text(NFTA_OBJREF_IMM_NAME);
        auto type = object.be32(NFTA_OBJREF_IMM_TYPE);
        const auto* map = find_set(object.text(NFTA_OBJREF_SET_NAME));
        const bool unknown = object[NFTA_OBJREF_SET_NAME] != nullptr && map == nullptr;
        if (map != nullptr) type = map->objects;
        if (unknown || type == NFT_OBJECT_LIMIT) take_limits_of(map == nullptr ? name : "");
        if (unknown || type == NFT_OBJECT_QUOTA) rule_.remember();
        if (unknown || type == NFT_OBJECT_SYNPROXY) rule_.synproxy = true;
        if (rule_.synproxy) rule_.effect = RuleEffect::either;
    }

    /// @param name  "": whichever it is, the slowest of its table
    void take_limits_of(const std::string& name) {
        bool found = false;
        for (const auto& limit : around_.limits) {
            if (limit.table != nft_key(family_, table_)) continue;
            if (!name.empty() && limit.name != name) continue;
            rule_.limits_slow |= !limit.over;
            rule_.limit(limit.interval);
            found = true;
        }
        if (!found) rule_.guess();
    }

    [[nodiscard]] const NftSet* find_set(const std::string& name) const {
        const auto found = std::ranges::find_if(around_.sets, [&](const NftSet& set) {
            return set.family == family_ && set.table == table_ && set.name == name;
        });
        return found == around_.sets.end() ? nullptr : &*found;
    }

    void take_match(const Attributes& match) {
        take_xtables_match(match.text(NFTA_MATCH_NAME), match.be32(NFTA_MATCH_REV),
                           match.bytes(NFTA_MATCH_INFO), rule_);
    }

    void take_target(const Attributes& target) {
        take_xtables_target(target.text(NFTA_TARGET_NAME), target.bytes(NFTA_TARGET_INFO), rule_);
    }

    void limit_elements(nanoseconds interval) {
        if (interval == nanoseconds(0)) return;
        rule_.by_source = true;
        rule_.limit(interval);
    }

    /// What a set has for each of its elements.
    void take_elements_of(const std::string& name) {
        const auto* set = find_set(name);
        if (set == nullptr) return;
        limit_elements(set->interval);
        if (set->quota) rule_.remember();
    }

    /// With a limit of its own a set is a meter.
    void take_dynset(const Attributes& dynset) {
        const auto* one = dynset[NFTA_DYNSET_EXPR];
        const auto* several = dynset[NFTA_DYNSET_EXPRESSIONS];
        const auto name = dynset.text(NFTA_DYNSET_SET_NAME);
        limit_elements(slowest_of(one, several));
        if (has_quota(one, several)) rule_.remember();
        take_elements_of(name);
        const bool removes = dynset.be32(NFTA_DYNSET_OP) == NFT_DYNSET_OP_DELETE;
        rule_.list({nft_key(family_, table_, name), !removes, false, removes});
    }

    void take_lookup(const Attributes& lookup) {
        const auto name = lookup.text(NFTA_LOOKUP_SET);
        take_elements_of(name);
        const bool inverted = (lookup.be32(NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0;
        const auto* set = find_set(name);
        const auto key = nft_key(family_, table_, name);
        const bool fixed = set != nullptr && set->ports;
        if (fixed && !inverted && loaded_before_ == Loaded::port) rule_.port_set = key;
        if (!fixed) rule_.list({key, false, true});
        if (lookup[NFTA_LOOKUP_DREG] != nullptr &&
            lookup.be32(NFTA_LOOKUP_DREG) == NFT_REG_VERDICT) {
            rule_.effect = RuleEffect::either;
            rule_.jumps_anywhere = true;
        }
    }

    void take_immediate(const Attributes& immediate) {
        zero_ = is_zero(immediate[NFTA_IMMEDIATE_DATA]);
        const Attributes value(immediate[NFTA_IMMEDIATE_DATA], NFTA_DATA_MAX);
        const auto to = immediate.be32(NFTA_IMMEDIATE_DREG);
        if (to != NFT_REG_VERDICT) return ports_.take_immediate(to, value.bytes(NFTA_DATA_VALUE));
        const Attributes verdict(value[NFTA_DATA_VERDICT], NFTA_VERDICT_MAX);
        switch (verdict.be32(NFTA_VERDICT_CODE)) {
            case NF_DROP: rule_.effect = RuleEffect::stops; break;
            case NF_ACCEPT: rule_.effect = RuleEffect::passes; break;
            default: rule_.effect = RuleEffect::either;
        }
        const auto code = static_cast<int>(verdict.be32(NFTA_VERDICT_CODE));
        rule_.returns = code == NFT_RETURN;
        rule_.comes_back = code != NFT_GOTO;
        if (const auto chain = verdict.text(NFTA_VERDICT_CHAIN); !chain.empty())
            rule_.jumps_to = nft_key(family_, table_, chain);
    }

    /// Notes what the next comparison refers to.
    void take_load(const std::string& name, const nlattr* data) {
        loaded_ = Loaded::other;
        if (name == "meta") {
            const Attributes meta(data, NFTA_META_MAX);
            if (meta[NFTA_META_DREG] == nullptr) return;
            const auto key = meta.be32(NFTA_META_KEY);
            if (key == NFT_META_L4PROTO) loaded_ = Loaded::protocol;
            // The kernel makes it of the DSCP where it forwards (rt_tos2priority()).
            if (key == NFT_META_PRIORITY) loaded_ = Loaded::dscp;
            if (key == NFT_META_MARK) loaded_ = Loaded::mark;
            if (key == NFT_META_PRANDOM) rule_.remember();
            return;
        }
        if (name == "ct") {
            const Attributes ct(data, NFTA_CT_MAX);
            if (ct[NFTA_CT_DREG] != nullptr && ct.be32(NFTA_CT_KEY) == NFT_CT_MARK)
                loaded_ = Loaded::mark;
            return;
        }
        const Attributes payload(data, NFTA_PAYLOAD_MAX);
        if (payload[NFTA_PAYLOAD_DREG] == nullptr) return;
        const auto base = payload.be32(NFTA_PAYLOAD_BASE);
        const auto offset = payload.be32(NFTA_PAYLOAD_OFFSET);
        const auto length = payload.be32(NFTA_PAYLOAD_LEN);
        if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 && length == 2)
            loaded_ = Loaded::port;
        // The second byte of IPv4, the first two of IPv6 (RFC 2474).
        if (base == NFT_PAYLOAD_NETWORK_HEADER && offset <= 1 && offset + length >= 2)
            loaded_ = Loaded::dscp;
    }

    void take_comparison(const Attributes& comparison) {
        const auto value = number_in(comparison[NFTA_CMP_DATA]);
        if (!value) return;
        const auto operation = comparison.be32(NFTA_CMP_OP);
        if (loaded_ == Loaded::mark)
            rule_.asks_marked |= (operation == NFT_CMP_NEQ) == is_zero(comparison[NFTA_CMP_DATA]);
        auto& services = rule_.services;
        if (operation == NFT_CMP_EQ && loaded_ == Loaded::protocol)
            services.protocol = static_cast<std::uint8_t>(*value >> 8);
        if (loaded_ != Loaded::port) return;
        if (operation == NFT_CMP_EQ || operation == NFT_CMP_GTE) services.first = *value;
        if (operation == NFT_CMP_EQ || operation == NFT_CMP_LTE) services.last = *value;
    }

    void take_range(const Attributes& range) {
        const auto from = number_in(range[NFTA_RANGE_FROM_DATA]);
        const auto to = number_in(range[NFTA_RANGE_TO_DATA]);
        const bool inside = range.be32(NFTA_RANGE_OP) == NFT_RANGE_EQ;
        rule_.asks_marked |= loaded_ == Loaded::mark && inside;
        if (loaded_ != Loaded::port || !inside || !from || !to) return;
        rule_.services.first = *from;
        rule_.services.last = *to;
    }

    /// The first two bytes, in network order; a single byte is the upper one.
    static std::optional<std::uint16_t> number_in(const nlattr* data) {
        const Attributes value(data, NFTA_DATA_MAX);
        const auto bytes = value.bytes(NFTA_DATA_VALUE);
        if (bytes.empty()) return std::nullopt;
        return static_cast<std::uint16_t>(bytes[0] << 8 | (bytes.size() > 1 ? bytes[1] : 0));
    }

    static bool is_zero(const nlattr* data) {
        const Attributes value(data, NFTA_DATA_MAX);
        return std::ranges::all_of(value.bytes(NFTA_DATA_VALUE),
                                   [](auto byte) { return byte == 0; });
    }

    enum class Loaded { other, protocol, port, dscp, mark };
    std::uint8_t family_;
    std::string table_;
    const NftSurroundings& around_;
    Loaded loaded_{Loaded::other};         ///< by the expression before
    Loaded loaded_before_{Loaded::other};  ///< … as the one that is taken now finds it
    NftPorts ports_;
    bool zero_{false};  ///< the last value that was loaded as it stands in the rule
    RuleParts rule_;
};

}  // namespace

bool nft_concerns(std::uint8_t table_family, int family) {
    return table_family != (family == AF_INET ? NFPROTO_IPV6 : NFPROTO_IPV4) &&
           table_family != NFPROTO_ARP;
}

std::string nft_rule_text(std::uint8_t family, const Attributes& rule) {
    return fmt::format("{} {} {} handle {}", nft_family_name(family), rule.text(NFTA_RULE_TABLE),
                       rule.text(NFTA_RULE_CHAIN), rule.be64(NFTA_RULE_HANDLE));
}

Status dump_nft_elements(Netlink& netfilter, const NftSetName& set, const std::string& what,
                         const std::function<void()>& again,
                         const std::function<void(const nlmsghdr*)>& each) {
    Message request(nft_message(NFT_MSG_GETSETELEM), 0);
    request.fixed<nfgenmsg>().nfgen_family = set.family;
    request.put_text(NFTA_SET_ELEM_LIST_TABLE, set.table);
    request.put_text(NFTA_SET_ELEM_LIST_SET, set.name);
    return netfilter.dump(request, what, again, each);
}

void parse_nft_scan_rule(const nlmsghdr* message, int family, const NftSurroundings& around,
                         RuleBook& to) {
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general || !nft_concerns(general->nfgen_family, family)) return;
    const Attributes parts(message, sizeof *general, NFTA_RULE_MAX);
    const auto table = parts.text(NFTA_RULE_TABLE);
    const auto chain = parts.text(NFTA_RULE_CHAIN);
    to.add(nft_key(general->nfgen_family, table, chain),
           Rule(general->nfgen_family, table, around).take_all(parts[NFTA_RULE_EXPRESSIONS]),
           nft_rule_text(general->nfgen_family, parts));
}

namespace {

/// Those that rules with lists ask. One that has gone meanwhile is missing.
Result<PortSets> read_ports(Netlink& netfilter, const std::vector<NftSet>& sets,
                            const std::set<std::string>& wanted, const std::string& what) {
    PortSets ports;
    for (const auto& set : sets) {
        const auto key = nft_key(set.family, set.table, set.name);
        if (!wanted.contains(key)) continue;
        std::vector<NftPortElement> elements;
        const auto read = dump_nft_elements(
            netfilter, {set.family, set.table, set.name}, what, [&] { elements.clear(); },
            [&](const nlmsghdr* message) {
                const auto more = parse_nft_ports(message);
                elements.insert(elements.end(), more.begin(), more.end());
            });
        if (!read && read.error().err == ENOENT) continue;
        KSMS_CHECK(read);
        ports[key] = port_spans(std::move(elements), set.spans);
    }
    return ports;
}

}  // namespace

Result<FirewallRules> nft_scan_rules(const Netns& netns, int family) {
    FirewallRules found;
    if (!nftables_loaded()) return found;
    KSMS_TRY(auto netfilter, Netlink::open_netfilter(netns));
    const auto what = "read the rules of nftables in " + netns.name();
    NftSurroundings around;
    const auto read = [&](std::uint16_t type, auto parse, auto& into) -> Status {
        Message request(nft_message(type), 0);
        request.fixed<nfgenmsg>().nfgen_family = NFPROTO_UNSPEC;
        KSMS_TRY(into, list(netfilter, request, what, parse));
        return {};
    };
    const auto sets = read(NFT_MSG_GETSET, parse_nft_set, around.sets);
    // A kernel without nftables does not know the request.
    if (!sets && (sets.error().err == EINVAL || sets.error().err == EOPNOTSUPP)) return found;
    KSMS_CHECK(sets);
    KSMS_CHECK(read(NFT_MSG_GETOBJ, parse_nft_limit, around.limits));
    RuleBook book;
    Message request(nft_message(NFT_MSG_GETRULE), 0);
    request.fixed<nfgenmsg>().nfgen_family = NFPROTO_UNSPEC;
    KSMS_CHECK(netfilter.dump(
        request, what, [&] { book = {}; },
        [&](const nlmsghdr* rule) { parse_nft_scan_rule(rule, family, around, book); }));
    KSMS_TRY(const auto ports, read_ports(netfilter, around.sets, book.port_sets(), what));
    book.enter_into(found, ports);
    return found;
}

}  // namespace ksms
