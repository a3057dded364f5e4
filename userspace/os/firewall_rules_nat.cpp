// SPDX-License-Identifier: BSD-2-Clause
// Which destination ports a rule may give a packet.
#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <cstddef>

#include "os/firewall_rules.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

/// @param at  that there are two bytes is known
std::uint16_t port_at(std::span<const std::uint8_t> info, std::size_t at) {
    return ntohs(*read_as<std::uint16_t>(info, at));
}

/// NFT_REG_1 is the same as NFT_REG32_00 to NFT_REG32_03.
std::uint32_t word_of(std::uint32_t reg) {
    return reg >= NFT_REG_1 && reg <= NFT_REG_4 ? NFT_REG32_00 + (reg - NFT_REG_1) * 4 : reg;
}

}  // namespace

std::optional<PortSpan> ports_given(std::span<const std::uint8_t> range) {
    // Revision 0 for IPv4 has another form, and a smaller one.
    using Old = nf_nat_ipv4_multi_range_compat;
    if (range.size() < sizeof(Old)) return PortSpan{};
    const bool old = range.size() < sizeof(nf_nat_range);
    const auto flags = *read_as<unsigned>(
        range, old ? offsetof(Old, range[0].flags) : offsetof(nf_nat_range, flags));
    if ((flags & NF_NAT_RANGE_PROTO_SPECIFIED) == 0) return std::nullopt;
    if ((flags & NF_NAT_RANGE_PROTO_OFFSET) != 0) return PortSpan{};
    return PortSpan{
        port_at(range, old ? offsetof(Old, range[0].min) : offsetof(nf_nat_range, min_proto)),
        port_at(range, old ? offsetof(Old, range[0].max) : offsetof(nf_nat_range, max_proto))};
}

void NftPorts::take_immediate(std::uint32_t reg, std::span<const std::uint8_t> value) {
    const auto first = word_of(reg);
    const auto words = static_cast<std::uint32_t>((value.size() + 3) / 4);
    known_.erase(known_.lower_bound(first), known_.lower_bound(first + words));
    if (value.size() == 2) known_[first] = port_at(value, 0);
}

std::optional<PortSpan> NftPorts::given_by(std::string_view name, const nlattr* data) {
    const auto ports = read(name, data);
    // Whatever comes between may write to a register.
    if (name != "immediate") known_.clear();
    return ports;
}

/// `tcp dport set 22`
std::optional<PortSpan> NftPorts::written(const Attributes& payload) const {
    const auto offset = payload.be32(NFTA_PAYLOAD_OFFSET), size = payload.be32(NFTA_PAYLOAD_LEN);
    if (payload[NFTA_PAYLOAD_SREG] == nullptr ||
        payload.be32(NFTA_PAYLOAD_BASE) != NFT_PAYLOAD_TRANSPORT_HEADER || offset > 3 ||
        offset + size <= 2)
        return std::nullopt;
    const auto port = known_.find(word_of(payload.be32(NFTA_PAYLOAD_SREG)));
    if (offset != 2 || size != 2 || port == known_.end()) return PortSpan{};
    return PortSpan{port->second, port->second};
}

std::optional<PortSpan> NftPorts::read(std::string_view name, const nlattr* data) const {
    if (name == "payload") return written(Attributes(data, NFTA_PAYLOAD_MAX));
    const bool redirects = name == "redir";
    if (!redirects && name != "nat") return std::nullopt;
    const Attributes nat(data, redirects ? NFTA_REDIR_MAX : NFTA_NAT_MAX);
    // Without a port in the rule only the source's may change (nf_nat_l4proto_unique_tuple() in
    // net/netfilter/nf_nat_core.c).
    if (!redirects && nat.be32(NFTA_NAT_TYPE) != NFT_NAT_DNAT) return std::nullopt;
    const int min = redirects ? int{NFTA_REDIR_REG_PROTO_MIN} : int{NFTA_NAT_REG_PROTO_MIN};
    const int max = redirects ? int{NFTA_REDIR_REG_PROTO_MAX} : int{NFTA_NAT_REG_PROTO_MAX};
    if (nat[min] == nullptr) return std::nullopt;
    const auto first = known_.find(word_of(nat.be32(min)));
    const auto last = nat[max] == nullptr ? first : known_.find(word_of(nat.be32(max)));
    if (first == known_.end() || last == known_.end()) return PortSpan{};
    return PortSpan{first->second, last->second};
}

}  // namespace ksms
