// SPDX-License-Identifier: BSD-2-Clause
#include "os/port_rules.hpp"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <utility>

#include "os/firewall_rules.hpp"
#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/nftables.hpp"
#include "os/parse.hpp"
#include "os/xtables.hpp"

namespace ksms {
namespace {

/// Questions; more of them are not worth an answer.
constexpr std::size_t kMostQuestions = 16384;

/// Sets whose elements are read; the kernel looks for each from the first one on.
constexpr std::size_t kMostSets = 1024;

/// Do they tell one element from another: a limit, a quota, a number of connections?
bool has_limits(const nlattr* one, const nlattr* several) {
    return any_expression(
        one, several, [](std::string_view name) { return name != "counter" && name != "last"; });
}

class NftPortRules {
public:
    NftPortRules(Netlink& netfilter, int family, std::string what, PortRules& to)
        : netfilter_(netfilter), family_(family), what_(std::move(what)), to_(to) {}

    Status read() {
        Message request(nft_message(NFT_MSG_GETSET), 0);
        request.fixed<nfgenmsg>().nfgen_family = NFPROTO_UNSPEC;
        auto sets = list(netfilter_, request, what_, parse_nft_shape);
        // A kernel without nftables does not know the request.
        if (!sets && (sets.error().err == EINVAL || sets.error().err == EOPNOTSUPP)) return {};
        KSMS_CHECK(sets);
        for (auto& set : *sets)
            sets_.emplace(nft_key(set.family, set.table, set.name), std::move(set));
        Message rules(nft_message(NFT_MSG_GETRULE), 0);
        rules.fixed<nfgenmsg>().nfgen_family = NFPROTO_UNSPEC;
        KSMS_CHECK(netfilter_.dump(
            rules, what_, [this] { read_.clear(); },
            [this](const nlmsghdr* rule) { take_rule(rule); }));
        for (auto& [name, rule] : read_) {
            if (rule.unread) to_.unread = name;
            std::ranges::move(rule.questions, std::back_inserter(to_.questions));
            for (const auto& lookup : rule.lookups) KSMS_CHECK(look_into(lookup, name));
            if (!to_.unread.empty()) return {};
        }
        return {};
    }

private:
    void take_rule(const nlmsghdr* message) {
        const auto general = fixed_part<nfgenmsg>(message);
        if (!general) return;
        const auto family = general->nfgen_family;
        if (!nft_concerns(family, family_)) return;
        const Attributes parts(message, sizeof *general, NFTA_RULE_MAX);
        const auto table = nft_key(family, parts.text(NFTA_RULE_TABLE));
        read_.emplace_back(nft_rule_text(family, parts),
                           read_nft_ports(parts[NFTA_RULE_EXPRESSIONS], family_, table, sets_));
    }

    Status look_into(const NftPortLookup& lookup, const std::string& rule) {
        const auto shape = sets_.find(lookup.set);
        if (shape == sets_.end()) return {};
        auto known = elements_.find(lookup.set);
        if (known == elements_.end()) {
            if (elements_.size() == kMostSets) {
                to_.unread = rule;
                return {};
            }
            KSMS_TRY(auto elements, read_elements(shape->second));
            known = elements_.emplace(lookup.set, std::move(elements)).first;
        }
        auto questions = questions_of(shape->second, known->second, lookup);
        if (known->second.size() > kMostQuestions ||
            questions.size() + to_.questions.size() > kMostQuestions)
            to_.unread = rule;
        else
            std::ranges::move(questions, std::back_inserter(to_.questions));
        return {};
    }

    /// No more than are worth it.
    Result<std::vector<NftKey>> read_elements(const NftSetShape& set) {
        std::vector<NftKey> elements;
        KSMS_CHECK(dump_nft_elements(
            netfilter_, {set.family, set.table, set.name}, what_, [&] { elements.clear(); },
            [&](const nlmsghdr* message) {
                if (elements.size() <= kMostQuestions) parse_nft_keys(message, elements);
            }));
        return elements;
    }

    Netlink& netfilter_;
    int family_;
    std::string what_;
    PortRules& to_;
    NftSets sets_;
    std::vector<std::pair<std::string, NftPortRule>> read_;  ///< with the rule's name
    std::map<std::string, std::vector<NftKey>> elements_;    ///< by nft_key()
};

}  // namespace

std::optional<NftSetShape> parse_nft_shape(const nlmsghdr* message) {
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general) return std::nullopt;
    const Attributes set(message, sizeof *general, NFTA_SET_MAX);
    const auto flags = set.be32(NFTA_SET_FLAGS);
    NftSetShape shape;
    shape.family = general->nfgen_family;
    shape.table = set.text(NFTA_SET_TABLE);
    shape.name = set.text(NFTA_SET_NAME);
    shape.key_length = set.be32(NFTA_SET_KEY_LEN);
    shape.data_length = set.be32(NFTA_SET_DATA_LEN);
    shape.plain = (flags & (NFT_SET_MAP | NFT_SET_OBJECT)) == 0 &&
                  !has_limits(set[NFTA_SET_EXPR], set[NFTA_SET_EXPRESSIONS]);
    shape.intervals = (flags & NFT_SET_INTERVAL) != 0;
    shape.concatenated = (flags & NFT_SET_CONCAT) != 0;
    return shape;
}

void add_legacy_ports(const XtTable& table, int family, PortRules& to) {
    for (const auto& rule : xt_rules(table, family)) {
        bool read = rule.whole && is_portless_target(rule.target.name, rule.target.info);
        const auto first = to.questions.size();
        for (const auto& match : rule.matches)
            read = read && take_xtables_ports(match.name, match.revision, match.info, to.questions);
        for (auto i = first; i < to.questions.size(); ++i)
            if (to.questions[i].protocol == 0) to.questions[i].protocol = rule.protocol;
        if (!read) to.unread = rule.text;
    }
}

void parse_nft_keys(const nlmsghdr* message, std::vector<NftKey>& to) {
    const auto general = fixed_part<nfgenmsg>(message);
    if (!general) return;
    const Attributes list(message, sizeof *general, NFTA_SET_ELEM_LIST_MAX);
    for_each_attribute(list[NFTA_SET_ELEM_LIST_ELEMENTS], [&](const nlattr* each) {
        const Attributes element(each, NFTA_SET_ELEM_MAX);
        const Attributes from(element[NFTA_SET_ELEM_KEY], NFTA_DATA_MAX);
        const Attributes to_key(element[NFTA_SET_ELEM_KEY_END], NFTA_DATA_MAX);
        const auto key = from.bytes(NFTA_DATA_VALUE);
        const auto last = to_key.bytes(NFTA_DATA_VALUE);
        const bool end = (element.be32(NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0;
        if (!key.empty()) to.push_back({{key.begin(), key.end()}, {last.begin(), last.end()}, end});
    });
}

std::vector<PortQuestion> questions_of(const NftSetShape& set, const std::vector<NftKey>& keys,
                                       const NftPortLookup& lookup) {
    const auto port_at = [&](const std::vector<std::uint8_t>& key) {
        const std::size_t at = lookup.offset;
        return at + 1 < key.size() ? static_cast<std::uint16_t>(key[at] << 8 | key[at + 1])
                                   : std::uint16_t{0};
    };
    std::vector<PortSpan> spans;
    if (set.intervals && !set.concatenated) {
        std::vector<NftPortElement> ends;
        for (const auto& key : keys) ends.push_back({port_at(key.first), key.end});
        spans = port_spans(std::move(ends), true);
    } else {
        for (const auto& key : keys) {
            const auto first = port_at(key.first);
            spans.push_back({first, key.last.empty() ? first : port_at(key.last)});
        }
    }
    std::ranges::sort(spans);
    if (set.plain && set.key_length == sizeof(std::uint16_t))
        return {{lookup.protocol, std::move(spans)}};
    // What an element means is its own: an address beside it, a verdict, a translation.
    std::vector<PortQuestion> questions;
    for (const auto& span : spans) {
        PortQuestion question{lookup.protocol, {span}};
        if (questions.empty() || questions.back() != question)
            questions.push_back(std::move(question));
    }
    return questions;
}

Result<bool> has_ipvs_services(const Netns& netns) {
    constexpr int head = 3;  // lines (ip_vs_info_seq_show())
    int lines = 0;
    KSMS_CHECK(in_netns(netns, [&lines]() -> Status {
        std::ifstream table("/proc/thread-self/net/ip_vs");
        for (std::string line; std::getline(table, line);) ++lines;
        return {};
    }));
    return lines > head;
}

bool ebtables_loaded() {
    if (module_loaded("ebtables")) return true;
    static const bool built_in = is_built_in("ebt_do_table");
    return built_in;
}

Result<PortRules> port_rules(const Netns& netns, int family) {
    PortRules rules;
    if (nftables_loaded()) {
        KSMS_TRY(auto netfilter, Netlink::open_netfilter(netns));
        KSMS_CHECK(
            NftPortRules(netfilter, family, "read the rules of nftables in " + netns.name(), rules)
                .read());
    }
    KSMS_TRY(const auto tables, xt_tables(netns, family));
    for (const auto& table : tables) add_legacy_ports(table, family, rules);
    return rules;
}

}  // namespace ksms
