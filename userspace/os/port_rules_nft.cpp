// SPDX-License-Identifier: BSD-2-Clause
// What a rule of nftables asks about destination ports: follows what the registers hold from byte
// to byte (net/netfilter/nf_tables_core.c), as far as it concerns the port.
#include <netinet/in.h>
// Before the kernel's headers.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "os/firewall_rules.hpp"
#include "os/message.hpp"
#include "os/nft_registers.hpp"
#include "os/port_rules.hpp"

namespace ksms {
namespace {

/// Expressions that read no register and no port.
constexpr std::string_view kIndifferent[] = {"counter",  "limit",       "connlimit", "quota",
                                             "last",     "log",         "reject",    "notrack",
                                             "synproxy", "flow_offload"};

constexpr std::uint16_t kMostAttributes = 16;

/// Expressions that write something to a register that has nothing to do with the port: their
/// attribute for the register, and how many bytes they write at least.
struct RegisterWrite {
    std::string_view name;
    std::uint16_t attribute;
    std::uint32_t bytes;
};
constexpr RegisterWrite kWrites[] = {{"fib", NFTA_FIB_DREG, 4},
                                     {"rt", NFTA_RT_DREG, 4},
                                     {"xfrm", NFTA_XFRM_DREG, 4},
                                     {"osf", NFTA_OSF_DREG, 16}};

/// Expressions that do something with what is in a register: their attribute for it. How much of
/// the registers they read depends on more, so none may have the port.
struct RegisterRead {
    std::string_view name;
    std::uint16_t attribute;
};
constexpr RegisterRead kReads[] = {{"meta", NFTA_META_SREG},
                                   {"ct", NFTA_CT_SREG},
                                   {"nat", NFTA_NAT_REG_ADDR_MIN},
                                   {"nat", NFTA_NAT_REG_ADDR_MAX},
                                   {"nat", NFTA_NAT_REG_PROTO_MIN},
                                   {"nat", NFTA_NAT_REG_PROTO_MAX},
                                   {"masq", NFTA_MASQ_REG_PROTO_MIN},
                                   {"masq", NFTA_MASQ_REG_PROTO_MAX},
                                   {"redir", NFTA_REDIR_REG_PROTO_MIN},
                                   {"redir", NFTA_REDIR_REG_PROTO_MAX},
                                   {"dup", NFTA_DUP_SREG_ADDR},
                                   {"dup", NFTA_DUP_SREG_DEV},
                                   {"fwd", NFTA_FWD_SREG_ADDR},
                                   {"fwd", NFTA_FWD_SREG_DEV}};

/// The headers of IPv6 that stand before that of the transport (RFC 8200, and mobility, RFC 6275).
/// As others `exthdr` finds the transport's own (ipv6_find_hdr()).
constexpr std::uint8_t kIp6Headers[] = {0, 43, 44, 51, 60, 135};
constexpr std::uint32_t kIp6HeaderSize = 8;

constexpr std::uint32_t kEthernet = 14, kIp4 = 20, kIp6 = 40;

class PortReader {
public:
    PortReader(int family, std::string table, const NftSets& sets)
        : ip4_(family == AF_INET), table_(std::move(table)), sets_(sets) {}

    NftPortRule read(const nlattr* list) {
        for_each_attribute(list, [this](const nlattr* expression) {
            if (!rule_.unread && !other_family_) rule_.unread = !take(expression);
        });
        return std::move(rule_);
    }

private:
    /// @return false: it may tell ports apart in a way that is not known
    bool take(const nlattr* expression) {
        const Attributes parts(expression, NFTA_EXPR_MAX);
        const auto name = parts.text(NFTA_EXPR_NAME);
        const auto* data = parts[NFTA_EXPR_DATA];
        at_least_ = std::exchange(next_at_least_, std::nullopt);
        if (gives_unknown_port(name, data)) return false;
        if (name == "payload") return take_payload(Attributes(data, NFTA_PAYLOAD_MAX));
        if (name == "cmp") return take_comparison(Attributes(data, NFTA_CMP_MAX));
        if (name == "range") return take_range(Attributes(data, NFTA_RANGE_MAX));
        if (name == "lookup") return take_lookup(Attributes(data, NFTA_LOOKUP_MAX));
        if (name == "objref") return take_object(Attributes(data, NFTA_OBJREF_MAX));
        if (name == "dynset") return !registers_.hold_port();
        if (name == "immediate") return take_immediate(Attributes(data, NFTA_IMMEDIATE_MAX));
        if (name == "bitwise") return take_bits(data, NFTA_BITWISE_DREG, NFTA_BITWISE_LEN);
        if (name == "byteorder") return take_bits(data, NFTA_BYTEORDER_DREG, NFTA_BYTEORDER_LEN);
        if (name == "hash") return take_hash(Attributes(data, NFTA_HASH_MAX));
        if (name == "exthdr") return take_option(Attributes(data, NFTA_EXTHDR_MAX));
        if (name == "match") return take_match(Attributes(data, NFTA_MATCH_MAX));
        if (name == "target") {
            const Attributes target(data, NFTA_TARGET_MAX);
            return is_portless_target(target.text(NFTA_TARGET_NAME),
                                      target.bytes(NFTA_TARGET_INFO));
        }
        return take_plain(name, data);
    }

    bool gives_unknown_port(const std::string& name, const nlattr* data) {
        const auto given = ports_.given_by(name, data);
        return given && given->first != given->last;
    }

    /// What reads or writes registers by the tables above, meta and ct among them.
    bool take_plain(const std::string& name, const nlattr* data) {
        bool known = std::ranges::find(kIndifferent, name) != std::end(kIndifferent);
        const Attributes parts(data, kMostAttributes);
        for (const auto& use : kReads) {
            if (use.name != name) continue;
            known = true;
            if (parts[use.attribute] != nullptr && registers_.hold_port()) return false;
        }
        for (const auto& use : kWrites) {
            if (use.name != name) continue;
            known = true;
            if (parts[use.attribute] != nullptr)
                registers_.write(parts.be32(use.attribute), use.bytes);
        }
        if (name == "meta") return take_meta(parts);
        if (name == "ct") return take_conntrack(parts);
        return known;
    }

    bool take_meta(const Attributes& meta) {
        if (meta[NFTA_META_DREG] == nullptr) return true;
        const auto key = meta.be32(NFTA_META_KEY);
        const auto to = meta.be32(NFTA_META_DREG);
        switch (key) {
            // Another answer each time.
            case NFT_META_PRANDOM:
            case NFT_META_CPU: return false;
            case NFT_META_NFPROTO: put(to, {Holds::nfproto}); return true;
            case NFT_META_L4PROTO: put(to, {Holds::l4proto}); return true;
            case NFT_META_PROTOCOL: put(to, {Holds::ether_high, Holds::ether_low}); return true;
            case NFT_META_IIFNAME:
            case NFT_META_OIFNAME:
            case NFT_META_BRI_IIFNAME:
            case NFT_META_BRI_OIFNAME:
            case NFT_META_IIFKIND:
            case NFT_META_OIFKIND:
            case NFT_META_SDIFNAME: registers_.write(to, 16); return true;
            case NFT_META_TIME_NS: registers_.write(to, 8); return true;
            default: registers_.write(to, 4); return true;
        }
    }

    bool take_conntrack(const Attributes& ct) {
        if (ct[NFTA_CT_DREG] == nullptr) return true;
        const auto to = ct.be32(NFTA_CT_DREG);
        switch (ct.be32(NFTA_CT_KEY)) {
            // In one direction or the other it is the destination's.
            case NFT_CT_PROTO_SRC:
            case NFT_CT_PROTO_DST: put(to, {Holds::port_high, Holds::port_low}); return true;
            case NFT_CT_PKTS:
            case NFT_CT_BYTES:
            case NFT_CT_AVGPKT: registers_.write(to, 8); return true;
            // Linux before 6.0 may choose one by the port.
            case NFT_CT_HELPER: return false;
            case NFT_CT_LABELS:
            case NFT_CT_SRC_IP6:
            case NFT_CT_DST_IP6: registers_.write(to, 16); return true;
            case NFT_CT_SRC:
            case NFT_CT_DST: registers_.write(to, ip4_ ? 4 : 16); return true;
            default: registers_.write(to, 4); return true;
        }
    }

    void put(std::uint32_t reg, std::initializer_list<Holds> what) {
        const auto to = registers_.write(reg, what.size());
        if (!to.empty()) std::ranges::copy(what, to.begin());
    }

    /// An option of TCP or IPv4, or an extension header of IPv6.
    bool take_option(const Attributes& option) {
        const auto operation = option.be32(NFTA_EXTHDR_OP);
        const auto end =
            std::uint64_t{option.be32(NFTA_EXTHDR_OFFSET)} + option.be32(NFTA_EXTHDR_LEN);
        if (operation == NFT_EXTHDR_OP_IPV6) {
            const auto type = option.u8(NFTA_EXTHDR_TYPE);
            if (std::ranges::find(kIp6Headers, type) == std::end(kIp6Headers) ||
                end > kIp6HeaderSize)
                return false;
        } else if (operation != NFT_EXTHDR_OP_TCPOPT && operation != NFT_EXTHDR_OP_IPV4) {
            return false;
        }
        if (option[NFTA_EXTHDR_SREG] != nullptr && registers_.hold_port()) return false;
        if (option[NFTA_EXTHDR_DREG] == nullptr) return true;
        return !registers_.write(option.be32(NFTA_EXTHDR_DREG), option.be32(NFTA_EXTHDR_LEN))
                    .empty();
    }

    /// Nothing but headers, and of the transport's what is the same in every packet of a kind: not
    /// the sequence number, the checksum and what comes behind.
    [[nodiscard]] bool is_plain_part(std::uint32_t base, std::uint64_t offset,
                                     std::uint64_t length) const {
        const auto end = offset + length;
        switch (base) {
            case NFT_PAYLOAD_LL_HEADER: return end <= kEthernet + kIp4;
            case NFT_PAYLOAD_NETWORK_HEADER: return end <= (ip4_ ? kIp4 : kIp6);
            case NFT_PAYLOAD_TRANSPORT_HEADER: return end <= 4 || (offset >= 8 && end <= 16);
            default: return false;
        }
    }

    bool take_payload(const Attributes& payload) {
        const auto base = payload.be32(NFTA_PAYLOAD_BASE);
        const auto offset = payload.be32(NFTA_PAYLOAD_OFFSET);
        const auto length = payload.be32(NFTA_PAYLOAD_LEN);
        if (!is_plain_part(base, offset, length)) return false;
        if (payload[NFTA_PAYLOAD_SREG] != nullptr) return !registers_.hold_port();
        const auto to = registers_.write(payload.be32(NFTA_PAYLOAD_DREG), length);
        if (to.empty()) return false;
        for (std::uint32_t i = 0; i < length; ++i) {
            if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset + i == 2) to[i] = Holds::port_high;
            if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset + i == 3) to[i] = Holds::port_low;
            if (base == NFT_PAYLOAD_LL_HEADER && offset + i == 12) to[i] = Holds::ether_high;
            if (base == NFT_PAYLOAD_LL_HEADER && offset + i == 13) to[i] = Holds::ether_low;
        }
        return true;
    }

    /// Where the port stands; nothing: it is not there.
    static std::optional<std::size_t> port_in(std::span<const Holds> bytes) {
        const auto high = std::ranges::find(bytes, Holds::port_high);
        const auto at = static_cast<std::size_t>(high - bytes.begin());
        return high == bytes.end() ? std::nullopt : std::optional(at);
    }
    /// Can what stands there be compared: known to the last byte, and the port whole or not there?
    static bool is_readable(std::span<const Holds> bytes) {
        if (bytes.empty() || std::ranges::find(bytes, Holds::unknown) != bytes.end()) return false;
        if (!Registers::any_port(bytes)) return true;
        const auto port = port_in(bytes);
        return port && *port + 1 < bytes.size() && bytes[*port + 1] == Holds::port_low &&
               std::ranges::count(bytes, Holds::port_high) == 1 &&
               std::ranges::count(bytes, Holds::port_low) == 1;
    }

    static std::uint16_t number_at(std::span<const std::uint8_t> bytes, std::size_t at) {
        return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
    }

    /// What was compared before is true of the packets that come here.
    void ask(const PortSpan& ports) { rule_.questions.push_back({protocol_, {ports}}); }

    bool take_comparison(const Attributes& comparison) {
        const Attributes data(comparison[NFTA_CMP_DATA], NFTA_DATA_MAX);
        const auto value = data.bytes(NFTA_DATA_VALUE);
        const auto bytes = registers_.at(comparison.be32(NFTA_CMP_SREG), value.size());
        if (!is_readable(bytes)) return false;
        const auto operation = comparison.be32(NFTA_CMP_OP);
        const bool equal = operation == NFT_CMP_EQ;
        if (equal) note_family(bytes, value);
        if (equal && bytes.size() == 1 && bytes[0] == Holds::l4proto) protocol_ = value[0];
        const auto port = port_in(bytes);
        if (!port) return true;
        const auto number = number_at(value, *port);
        if (equal || operation == NFT_CMP_NEQ) {
            ask({number, number});
            return true;
        }
        // What is greater or less than several fields is not asked of one of them alone.
        if (bytes.size() != 2) return false;
        const bool with = operation == NFT_CMP_LTE || operation == NFT_CMP_GT;
        // `53-60` is two comparisons, and one question.
        if (operation == NFT_CMP_LTE && at_least_) {
            rule_.questions.back() = {protocol_, {{*at_least_, number}}};
            return true;
        }
        if (operation == NFT_CMP_GTE) next_at_least_ = number;
        ask({0, static_cast<std::uint16_t>(with ? number : number - 1)});
        return true;
    }

    /// What is compared with the other family no packet of this scan comes past.
    void note_family(std::span<const Holds> bytes, std::span<const std::uint8_t> value) {
        if (bytes.size() == 1 && bytes[0] == Holds::nfproto)
            other_family_ |= value[0] == (ip4_ ? NFPROTO_IPV6 : NFPROTO_IPV4);
        constexpr std::uint16_t ip4 = 0x0800, ip6 = 0x86dd;
        if (bytes.size() == 2 && bytes[0] == Holds::ether_high && bytes[1] == Holds::ether_low)
            other_family_ |= number_at(value, 0) == (ip4_ ? ip6 : ip4);
    }

    bool take_range(const Attributes& range) {
        const Attributes from(range[NFTA_RANGE_FROM_DATA], NFTA_DATA_MAX);
        const Attributes to(range[NFTA_RANGE_TO_DATA], NFTA_DATA_MAX);
        const auto first = from.bytes(NFTA_DATA_VALUE), last = to.bytes(NFTA_DATA_VALUE);
        const auto bytes = registers_.at(range.be32(NFTA_RANGE_SREG), first.size());
        if (!is_readable(bytes) || first.size() != last.size()) return false;
        if (!port_in(bytes)) return true;
        if (bytes.size() != 2) return false;
        ask({number_at(first, 0), number_at(last, 0)});
        return true;
    }

    /// Looks into a set or a map by what stands in a register.
    /// @return the set; nullptr: that cannot be followed
    const NftSetShape* look_into(const std::string& name, std::uint32_t reg) {
        const auto key = nft_key(table_, name);
        const auto found = sets_.find(key);
        if (found == sets_.end()) return nullptr;
        const auto& set = found->second;
        const auto bytes = registers_.at(reg, set.key_length);
        if (!is_readable(bytes)) return nullptr;
        const auto port = port_in(bytes);
        if (!port) return &set;
        if (set.intervals && !set.concatenated && bytes.size() != 2) return nullptr;
        rule_.lookups.push_back({key, static_cast<std::uint32_t>(*port), protocol_});
        return &set;
    }

    bool take_lookup(const Attributes& lookup) {
        const auto* set = look_into(lookup.text(NFTA_LOOKUP_SET), lookup.be32(NFTA_LOOKUP_SREG));
        if (set == nullptr) return false;
        if (lookup[NFTA_LOOKUP_DREG] != nullptr)
            registers_.write(lookup.be32(NFTA_LOOKUP_DREG), set->data_length);
        return true;
    }

    bool take_object(const Attributes& object) {
        // What it expects is a packet of one port.
        constexpr std::uint32_t named[] = {
            NFT_OBJECT_COUNTER,  NFT_OBJECT_QUOTA,     NFT_OBJECT_LIMIT,     NFT_OBJECT_SECMARK,
            NFT_OBJECT_SYNPROXY, NFT_OBJECT_CT_HELPER, NFT_OBJECT_CT_TIMEOUT};
        if (object[NFTA_OBJREF_SET_NAME] == nullptr)
            return std::ranges::find(named, object.be32(NFTA_OBJREF_IMM_TYPE)) != std::end(named);
        return look_into(object.text(NFTA_OBJREF_SET_NAME), object.be32(NFTA_OBJREF_SET_SREG)) !=
               nullptr;
    }

    bool take_immediate(const Attributes& immediate) {
        const auto to = immediate.be32(NFTA_IMMEDIATE_DREG);
        const Attributes data(immediate[NFTA_IMMEDIATE_DATA], NFTA_DATA_MAX);
        if (to == NFT_REG_VERDICT) {
            const Attributes verdict(data[NFTA_DATA_VERDICT], NFTA_VERDICT_MAX);
            const auto code = static_cast<int>(verdict.be32(NFTA_VERDICT_CODE));
            return code == NF_ACCEPT || code == NF_DROP || code < 0;  // not NF_QUEUE
        }
        const auto value = data.bytes(NFTA_DATA_VALUE);
        ports_.take_immediate(to, value);
        return !registers_.write(to, value.size()).empty();
    }

    bool take_bits(const nlattr* data, std::uint16_t to, std::uint16_t length) {
        const Attributes parts(data, kMostAttributes);
        if (registers_.hold_port()) return false;
        return !registers_.write(parts.be32(to), parts.be32(length)).empty();
    }

    /// Of what stands in registers; a symmetric hash is one of the packet's ports.
    bool take_hash(const Attributes& hash) {
        if (hash.be32(NFTA_HASH_TYPE) != NFT_HASH_JENKINS || registers_.hold_port()) return false;
        return !registers_.write(hash.be32(NFTA_HASH_DREG), sizeof(std::uint32_t)).empty();
    }

    bool take_match(const Attributes& match) {
        const auto first = rule_.questions.size();
        const bool read =
            take_xtables_ports(match.text(NFTA_MATCH_NAME), match.be32(NFTA_MATCH_REV),
                               match.bytes(NFTA_MATCH_INFO), rule_.questions);
        for (auto i = first; i < rule_.questions.size(); ++i)
            if (rule_.questions[i].protocol == 0) rule_.questions[i].protocol = protocol_;
        return read;
    }

    bool ip4_;
    std::string table_;
    const NftSets& sets_;
    Registers registers_;
    NftPorts ports_;
    NftPortRule rule_;
    std::uint8_t protocol_{0};  ///< that it has compared with; 0: none
    bool other_family_{false};
    /// With what the expression before has compared the port, if it must be at least that.
    std::optional<std::uint16_t> at_least_, next_at_least_;
};

}  // namespace

NftPortRule read_nft_ports(const nlattr* list, int family, const std::string& table,
                           const NftSets& sets) {
    return PortReader(family, table, sets).read(list);
}

}  // namespace ksms
