// SPDX-License-Identifier: BSD-2-Clause
#include "os/conntrack.hpp"

#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "os/exchange.hpp"
#include "os/list.hpp"
#include "os/message.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

// Requests in one datagram. Their replies must fit into the socket buffer.
constexpr std::size_t kBatch = 128;
constexpr int kSocketBuffer = 4 << 20;

// CTA_FILTER_ORIG_FLAGS: net/netfilter/nf_internals.h of the kernel, not in its uapi
enum : std::uint32_t {
    kFilterSource = 1u << 0,
    kFilterDestination = 1u << 1,
    kFilterProtocol = 1u << 3,
    kFilterSourcePort = 1u << 4,
};

std::uint16_t conntrack_message(int message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

void put_family(Message& message, int family) {
    message.fixed<nfgenmsg>().nfgen_family = static_cast<std::uint8_t>(family);
}

void put_addresses(Message& message, const Flow& flow) {
    const bool v4 = flow.source.family == AF_INET;
    message.nest(CTA_TUPLE_IP, [&] {
        message.put(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, flow.source);
        message.put(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, flow.destination);
    });
}

/// @param whole  false: without the destination port, for a filter
void put_tuple(Message& message, const Flow& flow, bool whole) {
    message.nest(CTA_TUPLE_ORIG, [&] {
        put_addresses(message, flow);
        message.nest(CTA_TUPLE_PROTO, [&] {
            message.put_u8(CTA_PROTO_NUM, flow.protocol);
            message.put_be16(CTA_PROTO_SRC_PORT, flow.source_port);
            if (whole) message.put_be16(CTA_PROTO_DST_PORT, flow.destination_port);
        });
    });
}

/// Filters by source, source port and destination of the packet that created the entry. For IPv6 by
/// the port only: there the kernel treats equal addresses as different
/// (ctnetlink_filter_match_tuple() in net/netfilter/nf_conntrack_netlink.c, still in 6.18).
void put_filter(Message& message, const Flow& like) {
    std::uint32_t flags = kFilterProtocol | kFilterSourcePort;
    if (like.source.family == AF_INET) flags |= kFilterSource | kFilterDestination;
    put_tuple(message, like, false);
    message.nest(CTA_FILTER, [&] { message.put_u32(CTA_FILTER_ORIG_FLAGS, flags); });
}

bool is_entry(const nlmsghdr* message) {
    return message->nlmsg_type == conntrack_message(IPCTNL_MSG_CT_NEW);
}

/// Adds a request to remove this entry, with the tuple, zone and id that the kernel reported.
void add_removal(std::vector<Batch>& to, const Attributes& entry, int family) {
    Message message(conntrack_message(IPCTNL_MSG_CT_DELETE), NLM_F_ACK);
    put_family(message, family);
    for (const auto type : {CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID})
        if (const auto* at = entry[static_cast<std::uint16_t>(type)]; at != nullptr)
            message.put(at);
    if (to.empty() || to.back().size() == kBatch) to.emplace_back();
    to.back().add(message);
}

}  // namespace

Flow original_of(const Attributes& entry, int family) {
    const Attributes tuple(entry[CTA_TUPLE_ORIG], CTA_TUPLE_MAX);
    const Attributes ip(tuple[CTA_TUPLE_IP], CTA_IP_MAX);
    const Attributes protocol(tuple[CTA_TUPLE_PROTO], CTA_PROTO_MAX);
    const bool v4 = family == AF_INET;
    return {ip.address(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, family),
            ip.address(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, family), protocol.u8(CTA_PROTO_NUM),
            protocol.be16(CTA_PROTO_SRC_PORT), protocol.be16(CTA_PROTO_DST_PORT)};
}

bool Conntrack::loaded() {
    return access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) == 0 || errno != ENOENT;
}

Result<Conntrack> Conntrack::open(const Netns& netns) {
    KSMS_TRY(auto netlink, Netlink::open_netfilter(netns));
    netlink.make_room(kSocketBuffer);
    return Conntrack(std::move(netlink));
}

Result<ConntrackTable> Conntrack::table() {
    Message message(conntrack_message(IPCTNL_MSG_CT_GET_STATS), 0);
    put_family(message, AF_UNSPEC);
    ConntrackTable table;
    KSMS_CHECK(netlink_.query(
        message, "ask the connection tracking of " + netlink_.netns(), [&](const nlmsghdr* reply) {
            const Attributes figures(reply, sizeof(nfgenmsg), CTA_STATS_GLOBAL_MAX);
            table.entries = figures.be32(CTA_STATS_GLOBAL_ENTRIES);
            table.limit = figures.be32(CTA_STATS_GLOBAL_MAX_ENTRIES);
        }));
    return table;
}

Result<std::size_t> Conntrack::remove_found(std::vector<Batch>& found) {
    std::size_t count = 0;
    for (auto& batch : found) {
        KSMS_CHECK(netlink_.exchange(batch, batch.size() - 1,
                                     "remove connections that " + netlink_.netns() + " tracks",
                                     [&](std::size_t, const nlmsghdr* reply) -> Status {
                                         // ENOENT: it has expired meanwhile.
                                         if (error_of(reply) == 0) ++count;
                                         return {};
                                     }));
    }
    found.clear();
    return count;
}

Result<std::size_t> Conntrack::remove(std::span<const Flow> flows) {
    std::size_t count = 0;
    for (std::size_t begin = 0; begin < flows.size(); begin += kBatch) {
        const auto part = flows.subspan(begin, std::min(kBatch, flows.size() - begin));
        Batch questions;
        for (const auto& flow : part) {
            Message message(conntrack_message(IPCTNL_MSG_CT_GET), 0);
            put_family(message, flow.source.family);
            put_tuple(message, flow, true);
            questions.add(message);
        }
        std::vector<Batch> found;
        KSMS_CHECK(netlink_.exchange(
            questions, part.size() - 1, "ask the connection tracking of " + netlink_.netns(),
            [&](std::size_t which, const nlmsghdr* reply) -> Status {
                if (!is_entry(reply)) return {};
                const Attributes entry(reply, sizeof(nfgenmsg), CTA_MAX);
                if (original_of(entry, part[which].source.family) == part[which])
                    add_removal(found, entry, part[which].source.family);
                return {};
            }));
        KSMS_TRY(const auto removed, remove_found(found));
        count += removed;
    }
    return count;
}

Result<std::size_t> Conntrack::remove_like(const Flow& like,
                                           const std::function<bool(std::uint16_t port)>& ours) {
    const int family = like.source.family;
    Message message(conntrack_message(IPCTNL_MSG_CT_GET), 0);
    put_family(message, family);
    put_filter(message, like);
    std::vector<Batch> found;
    KSMS_CHECK(netlink_.dump(
        message, "list the connections that " + netlink_.netns() + " tracks",
        [&] { found.clear(); },
        [&](const nlmsghdr* reply) {
            if (!is_entry(reply)) return;
            const Attributes entry(reply, sizeof(nfgenmsg), CTA_MAX);
            auto flow = original_of(entry, family);
            if (ours(std::exchange(flow.destination_port, like.destination_port)) && flow == like)
                add_removal(found, entry, family);
        }));
    return remove_found(found);
}

/// An older kernel takes the filter for the tuple of one entry and returns EINVAL, because the
/// destination port is missing. Without a tuple it would remove all entries.
Result<bool> Conntrack::remove_all_like(const Flow& like) {
    if (like.source.family != AF_INET) return false;
    Message message(conntrack_message(IPCTNL_MSG_CT_DELETE), 0);
    put_family(message, like.source.family);
    put_filter(message, like);
    const auto removed =
        netlink_.request(message, "remove connections that " + netlink_.netns() + " tracks");
    if (removed) return true;
    if (removed.error().err == EINVAL || removed.error().err == EOPNOTSUPP) return false;
    return std::unexpected(removed.error());
}

Result<bool> has_expectations(const Netns& netns) {
    KSMS_TRY(auto netlink, Netlink::open_netfilter(netns));
    Message message(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET),
                    0);
    message.fixed<nfgenmsg>().nfgen_family = AF_UNSPEC;
    const auto all = list(netlink, message, "list what is expected in " + netns.name(),
                          [](const nlmsghdr* each) { return std::optional(each->nlmsg_type); });
    // A kernel without them does not know the request.
    if (!all && (all.error().err == EINVAL || all.error().err == EOPNOTSUPP)) return false;
    KSMS_CHECK(all);
    return !all->empty();
}

}  // namespace ksms
