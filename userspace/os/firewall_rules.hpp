// SPDX-License-Identifier: BSD-2-Clause
// Reads what the firewall rules of a namespace say about a scan: nftables, iptables-nft,
// iptables-legacy.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/firewall_rules.hpp"
#include "os/netns.hpp"

struct nlattr;
struct nlmsghdr;
struct xt_multiport_v1;

namespace ksms {

class Attributes;
class Netlink;

/// @param family  AF_INET or AF_INET6
Result<FirewallRules> firewall_rules(const Netns& netns, int family);

/// For the files of this room.
/// Interval of a rule, limited to a century so that sums do not overflow.
nanoseconds interval_of(std::uint64_t ns);
/// Of a table of nftables, and of a set in it. A name may have any byte but NUL.
std::string nft_key(const std::string& table_key, const std::string& name);
std::string nft_key(std::uint8_t family, const std::string& table);
std::string nft_key(std::uint8_t family, const std::string& table, const std::string& set);
nanoseconds interval_of_limit(const Attributes& limit);
/// Of expressions that a set has for each of its elements; 0: they limit nothing.
nanoseconds slowest_of(const nlattr* one, const nlattr* several);
bool any_expression(const nlattr* one, const nlattr* several,
                    const std::function<bool(std::string_view name)>& is);
bool has_quota(const nlattr* one, const nlattr* several);
/// May a rule of a table of nftables see packets of a scan of this family?
bool nft_concerns(std::uint8_t table_family, int family);
/// For people: "inet t f handle 7". @param rule  NFTA_RULE_…
std::string nft_rule_text(std::uint8_t family, const Attributes& rule);
struct NftSetName {
    std::uint8_t family;
    const std::string &table, &name;
};
/// The elements of a set. @param again  discards what an earlier attempt has read
Status dump_nft_elements(Netlink& netfilter, const NftSetName& set, const std::string& what,
                         const std::function<void()>& again,
                         const std::function<void(const nlmsghdr*)>& each);
struct NftPortElement;
std::vector<PortSpan> port_spans(std::vector<NftPortElement> elements, bool intervals);
Result<FirewallRules> nft_scan_rules(const Netns& netns, int family);
Status add_legacy_rules(const Netns& netns, int family, FirewallRules& to);

/// What a rule does with a packet that matches.
enum class RuleEffect : std::uint8_t {
    none,  ///< it counts, logs, or is not known yet
    stops,
    passes,
    either,  ///< it goes on in another chain, with a mark, …
};

/// One rule, put together from its matches.
struct RuleParts {
    ServiceRange services;
    nanoseconds interval{0};  ///< 0: no limit
    ServiceRange limited;     ///< the services so far, where the limit is
    bool by_source{false};
    bool guessed{false};      ///< the interval
    bool limits_slow{false};  ///< what comes slowly matches, and not what comes fast
    bool reads_dscp{false};
    bool marks{false};        ///< it sets a mark of the packet or of its connection
    bool asks_marked{false};  ///< what has a mark matches
    bool synproxy{false};
    std::optional<PortSpan> gives_port;
    struct List {
        std::string name;
        bool adds{false}, asks{false}, removes{false};
        ServiceRange so_far{};       ///< the services that come to the statement
        std::string ports_so_far{};  ///< see RuleParts::port_set
    };
    std::vector<List> lists;
    RuleEffect effect{RuleEffect::none};
    std::string jumps_to;   ///< key of the chain in which it goes on
    bool comes_back{true};  ///< from there, where that chain does not decide
    bool returns{false};
    bool jumps_anywhere{false};  ///< where a map says
    std::string port_set;        ///< key of a set of nftables that has the ports; "": there is none

    /// Does it answer a probe by more than a user's packet has?
    [[nodiscard]] bool is_special() const {
        return interval > nanoseconds(0) || reads_dscp || asks_marked || synproxy ||
               gives_port.has_value() || !lists.empty();
    }
    void limit(nanoseconds to) {
        if (interval == nanoseconds(0)) limited = services;
        interval = std::max(interval, to);
    }
    void guess() {
        guessed = true;
        limit(kUsualInterval);
    }
    void list(List touched) {
        touched.so_far = services;
        touched.ports_so_far = port_set;
        lists.push_back(std::move(touched));
    }
    /// Its answer depends on the packets before, in a way of its own.
    void remember() { list({"", true, true}); }
    /// The same for these services alone; nothing: it has none of them.
    [[nodiscard]] std::optional<RuleParts> among(const ServiceRange& some) const;
    /// Enters the rule where it concerns a scan.
    /// @param rule  for people
    void add_to(FirewallRules& rules, const std::string& rule) const;
};

using PortSets = std::map<std::string, std::vector<PortSpan>>;

/// The rules of a namespace, or of a table. What a jump does its chain tells, which may be read
/// later.
class RuleBook {
public:
    /// @param chain  its key
    void add(const std::string& chain, RuleParts rule, const std::string& for_people);
    /// The sets that must be read before enter_into().
    [[nodiscard]] std::set<std::string> port_sets() const;
    /// Once, when all are known.
    /// @param ports_of  those sets; any port where one is missing
    void enter_into(FirewallRules& rules, const PortSets& ports_of = {});

private:
    struct Step {
        RuleEffect effect;
        std::string jumps_to;
        bool comes_back;
    };
    struct Jump {
        std::string from;
        ServiceRange services;
        std::string port_set;
    };
    using Narrow = std::function<void(const std::string& set, ServiceRange& services)>;
    /// The services that come to a chain.
    std::vector<ServiceRange> coming_to(const std::string& chain, const Narrow& narrow);
    RuleEffect effect_in(const std::string& chain);
    RuleEffect effect_of(const Step& step);
    std::map<std::string, std::vector<Step>> chains_;
    std::map<std::string, RuleEffect> effects_;
    struct Special {
        std::string chain;
        RuleParts rule;
        std::string for_people;
    };
    std::vector<Special> special_;
    std::map<std::string, std::vector<Jump>> jumps_to_;  ///< a chain
    std::map<std::string, std::vector<ServiceRange>> coming_;
    bool jumps_anywhere_{false};  ///< some rule
};

/// Of what an xtables module defines. Nothing if it has another size than in this header.
template <typename T>
std::optional<T> read_as(std::span<const std::uint8_t> info, std::size_t at = 0) {
    T value{};
    if (info.size() < at + sizeof value) return std::nullopt;
    std::memcpy(&value, info.data() + at, sizeof value);
    return value;
}

/// @param range  of xtables' DNAT or REDIRECT, as their kernel module defines it
/// @return nothing: the port stays
[[nodiscard]] std::optional<PortSpan> ports_given(std::span<const std::uint8_t> range);

/// Follows the ports in a rule of nftables from its immediate values to its translation.
class NftPorts {
public:
    /// To be told of each expression of a rule, in their order.
    /// @return nothing: it gives no other port
    [[nodiscard]] std::optional<PortSpan> given_by(std::string_view name, const nlattr* data);
    void take_immediate(std::uint32_t reg, std::span<const std::uint8_t> value);

private:
    [[nodiscard]] std::optional<PortSpan> read(std::string_view name, const nlattr* data) const;
    [[nodiscard]] std::optional<PortSpan> written(const Attributes& payload) const;
    std::map<std::uint32_t, std::uint16_t> known_;  ///< by register
};

/// At most as many as there is room for.
[[nodiscard]] std::vector<PortSpan> multiport_spans(const xt_multiport_v1& match);
/// Takes an xtables match. @param info  as its kernel module defines it
void take_xtables_match(std::string_view name, std::uint32_t revision,
                        std::span<const std::uint8_t> info, RuleParts& rule);
/// Takes an xtables target. @param info  likewise; of the standard target its verdict
void take_xtables_target(std::string_view name, std::span<const std::uint8_t> info,
                         RuleParts& rule);

}  // namespace ksms
