// SPDX-License-Identifier: BSD-2-Clause
#include "os/conntrack.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "os/message.hpp"

namespace ksms {
namespace {

constexpr std::size_t kReceiveBuffer = 64 * 1024;
constexpr int kSocketBuffer = 4 << 20;
// Requests in one sendmsg: their answers must find room in the socket.
constexpr std::size_t kBatch = 128;
constexpr std::size_t kMaxRequest = 256;  // bytes; a tuple of IPv6 takes 100

// CTA_FILTER_ORIG_FLAGS: net/netfilter/nf_internals.h of the kernel, not in its uapi
enum : std::uint32_t {
    kFilterSource = 1u << 0,
    kFilterDestination = 1u << 1,
    kFilterProtocol = 1u << 3,
    kFilterSourcePort = 1u << 4,
};

nlmsghdr* put_request(char* at, int type, std::uint16_t flags, int family) {
    auto* message = mnl_nlmsg_put_header(at);
    message->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    auto* general = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    general->nfgen_family = static_cast<std::uint8_t>(family);
    general->version = NFNETLINK_V0;
    return message;
}

void put_addresses(nlmsghdr* message, const Flow& flow) {
    const bool v4 = flow.source.family == AF_INET;
    auto* ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
    mnl_attr_put(message, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, flow.source.size(),
                 flow.source.bytes.data());
    mnl_attr_put(message, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, flow.destination.size(),
                 flow.destination.bytes.data());
    mnl_attr_nest_end(message, ip);
}

/// @param whole  false: without the destination port, for a filter
void put_tuple(nlmsghdr* message, const Flow& flow, bool whole) {
    auto* tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
    put_addresses(message, flow);
    auto* protocol = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(message, CTA_PROTO_NUM, flow.protocol);
    mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(flow.source_port));
    if (whole) mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(flow.destination_port));
    mnl_attr_nest_end(message, protocol);
    mnl_attr_nest_end(message, tuple);
}

std::uint16_t port_of(const Attributes& protocol, std::uint16_t type) {
    const auto* at = protocol[type];
    return at != nullptr && mnl_attr_get_payload_len(at) >= 2 ? ntohs(mnl_attr_get_u16(at)) : 0;
}

/// The packet that made the entry.
Flow original_of(const Attributes& entry, int family) {
    const Attributes tuple(entry[CTA_TUPLE_ORIG], CTA_TUPLE_MAX);
    const Attributes ip(tuple[CTA_TUPLE_IP], CTA_IP_MAX);
    const Attributes protocol(tuple[CTA_TUPLE_PROTO], CTA_PROTO_MAX);
    const bool v4 = family == AF_INET;
    return {ip.address(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, family),
            ip.address(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, family), protocol.u8(CTA_PROTO_NUM),
            port_of(protocol, CTA_PROTO_SRC_PORT), port_of(protocol, CTA_PROTO_DST_PORT)};
}

/// Source, its port, and destination of the packet that made the entry. Of IPv6 only the port:
/// there the kernel takes equal addresses for different ones (ctnetlink_filter_match_tuple() in
/// net/netfilter/nf_conntrack_netlink.c, still in 6.18).
void put_filter(nlmsghdr* message, const Flow& like) {
    std::uint32_t flags = kFilterProtocol | kFilterSourcePort;
    if (like.source.family == AF_INET) flags |= kFilterSource | kFilterDestination;
    put_tuple(message, like, false);
    auto* filter = mnl_attr_nest_start(message, CTA_FILTER);
    mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, flags);
    mnl_attr_nest_end(message, filter);
}

/// Nothing for a message that is none, or that acknowledges.
int error_of(const nlmsghdr* message) {
    if (message->nlmsg_type != NLMSG_ERROR) return 0;
    return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
}

bool is_entry(const nlmsghdr* message) {
    return message->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW);
}

/// Adds a request to remove this entry: tuple, zone and id are what the kernel said.
void add_removal(std::vector<char>& to, const Attributes& entry, int family) {
    std::array<char, kMaxRequest> buffer{};
    auto* message = put_request(buffer.data(), IPCTNL_MSG_CT_DELETE, 0, family);
    for (const auto type : {CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID}) {
        const auto* at = entry[static_cast<std::uint16_t>(type)];
        if (at == nullptr) continue;
        if (message->nlmsg_len + MNL_ALIGN(at->nla_len) > buffer.size()) return;
        std::memcpy(mnl_nlmsg_get_payload_tail(message), at, at->nla_len);
        message->nlmsg_len += static_cast<std::uint32_t>(MNL_ALIGN(at->nla_len));
    }
    to.insert(to.end(), buffer.data(), buffer.data() + message->nlmsg_len);
}

}  // namespace

bool Conntrack::loaded() {
    return access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) == 0 || errno != ENOENT;
}

Result<Conntrack> Conntrack::open(const Netns& netns) {
    Conntrack conntrack;
    conntrack.netns_ = netns.name();
    KSMS_TRY(conntrack.fd_,
             socket_in(netns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    const int fd = conntrack.fd_.get();
    const sockaddr_nl address{AF_NETLINK, 0, 0, 0};
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, "open ctnetlink in " + netns.name());
    // What the kernel refuses it says in an answer; many of them are of no interest.
    const int on = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
    return conntrack;
}

/// The kernel has done all of them when it returns, and their answers are in the socket.
Status Conntrack::send(std::span<const char> messages) {
    if (::send(fd_.get(), messages.data(), messages.size(), 0) >= 0) return {};
    return fail_errno(errno, "ask the connection tracking of " + netns_);
}

Result<bool> Conntrack::receive(int flags, const std::function<void(const nlmsghdr*)>& each) {
    alignas(nlmsghdr) std::array<char, kReceiveBuffer> buffer;
    ssize_t got = 0;
    do got = recv(fd_.get(), buffer.data(), buffer.size(), flags);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got < 0) return fail_errno(errno, "read the connection tracking of " + netns_);
    int left = static_cast<int>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (message->nlmsg_type == NLMSG_DONE) return false;
        each(message);
    }
    return true;
}

Result<ConntrackTable> Conntrack::table() {
    alignas(nlmsghdr) std::array<char, kMaxRequest> buffer{};
    const auto* request = put_request(buffer.data(), IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC);
    KSMS_CHECK(send({buffer.data(), request->nlmsg_len}));
    ConntrackTable table;
    Status status;
    KSMS_CHECK(receive(0, [&](const nlmsghdr* message) {
        if (const int err = error_of(message); err != 0) {
            status = fail_errno(err, "ask the connection tracking of " + netns_);
            return;
        }
        const Attributes figures(message, sizeof(nfgenmsg), CTA_STATS_GLOBAL_MAX);
        table.entries = ntohl(figures.u32(CTA_STATS_GLOBAL_ENTRIES));
        table.limit = ntohl(figures.u32(CTA_STATS_GLOBAL_MAX_ENTRIES));
    }));
    KSMS_CHECK(status);
    return table;
}

Status Conntrack::remove_found(std::vector<char>& found) {
    // nfnetlink takes a message after the other from one datagram.
    std::size_t begin = 0;
    while (begin < found.size()) {
        std::size_t end = begin;
        for (std::size_t i = 0; i < kBatch && end < found.size(); ++i)
            end += reinterpret_cast<const nlmsghdr*>(found.data() + end)->nlmsg_len;
        KSMS_CHECK(send({found.data() + begin, end - begin}));
        begin = end;
    }
    found.clear();
    // What has gone by itself meanwhile is answered with ENOENT.
    for (bool more = true; more;) {
        KSMS_TRY(more, receive(MSG_DONTWAIT, [](const nlmsghdr*) {}));
    }
    return {};
}

Result<std::size_t> Conntrack::remove(std::span<const Flow> flows) {
    std::size_t count = 0;
    std::vector<char> requests, found;
    for (std::size_t begin = 0; begin < flows.size(); begin += kBatch) {
        const auto part = flows.subspan(begin, std::min(kBatch, flows.size() - begin));
        requests.clear();
        for (std::uint32_t i = 0; i < part.size(); ++i) {
            std::array<char, kMaxRequest> buffer{};
            auto* message = put_request(buffer.data(), IPCTNL_MSG_CT_GET, 0, part[i].source.family);
            message->nlmsg_seq = i;
            put_tuple(message, part[i], true);
            requests.insert(requests.end(), buffer.data(), buffer.data() + message->nlmsg_len);
        }
        KSMS_CHECK(send(requests));
        const auto take = [&](const nlmsghdr* message) {
            if (!is_entry(message) || message->nlmsg_seq >= part.size()) return;
            const auto& flow = part[message->nlmsg_seq];
            const Attributes entry(message, sizeof(nfgenmsg), CTA_MAX);
            if (original_of(entry, flow.source.family) != flow) return;
            add_removal(found, entry, flow.source.family);
            ++count;
        };
        for (bool more = true; more;) {
            KSMS_TRY(more, receive(MSG_DONTWAIT, take));
        }
        KSMS_CHECK(remove_found(found));
    }
    return count;
}

Result<std::size_t> Conntrack::remove_like(const Flow& like,
                                           const std::function<bool(std::uint16_t port)>& ours) {
    const int family = like.source.family;
    alignas(nlmsghdr) std::array<char, kMaxRequest> buffer{};
    auto* request = put_request(buffer.data(), IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
    put_filter(request, like);
    KSMS_CHECK(send({buffer.data(), request->nlmsg_len}));
    std::size_t count = 0;
    std::vector<char> found;
    Status status;
    const auto take = [&](const nlmsghdr* message) {
        if (const int err = error_of(message); err != 0)
            status = fail_errno(err, "list the connections that " + netns_ + " tracks");
        if (!is_entry(message)) return;
        const Attributes entry(message, sizeof(nfgenmsg), CTA_MAX);
        auto flow = original_of(entry, family);
        if (!ours(std::exchange(flow.destination_port, like.destination_port)) || flow != like)
            return;
        add_removal(found, entry, family);
        ++count;
    };
    for (bool more = true; more && status;) {
        KSMS_TRY(more, receive(0, take));
    }
    KSMS_CHECK(status);
    KSMS_CHECK(remove_found(found));
    return count;
}

/// An older kernel takes it for one entry's tuple, and misses the destination port: EINVAL. Without
/// a tuple it would remove everything.
Result<bool> Conntrack::remove_all_like(const Flow& like) {
    if (like.source.family != AF_INET) return false;
    alignas(nlmsghdr) std::array<char, kMaxRequest> buffer{};
    auto* request = put_request(buffer.data(), IPCTNL_MSG_CT_DELETE, NLM_F_ACK, like.source.family);
    put_filter(request, like);
    KSMS_CHECK(send({buffer.data(), request->nlmsg_len}));
    int err = 0;
    KSMS_CHECK(receive(0, [&err](const nlmsghdr* message) { err = error_of(message); }));
    if (err == EINVAL || err == EOPNOTSUPP) return false;
    if (err != 0) return fail_errno(err, "remove connections that " + netns_ + " tracks");
    return true;
}

}  // namespace ksms
