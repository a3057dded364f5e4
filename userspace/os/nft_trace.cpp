// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <set>

#include "os/message.hpp"
#include "os/nftables.hpp"

namespace ksms {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;
constexpr int kRoom = 4 << 20;  // bytes for messages: other people's traces come here too
constexpr std::int32_t kEarliest = INT_MIN + 1;  // before raw (-300) and everybody else
constexpr std::array<const char*, 2> kChains{"prerouting", "output"};

/// Messages that the kernel takes all or none of.
class Batch {
public:
    Batch() { frame(NFNL_MSG_BATCH_BEGIN); }
    /// @param fill  puts the attributes
    template <typename F>
    void add(int type, const F& fill) {
        Message message(nft_message(type), NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND);
        message.fixed<nfgenmsg>().nfgen_family = NFPROTO_INET;
        fill(message);
        append(message);
        last_ = sequence_;
    }
    Status send(const Fd& socket, const std::string& what) {
        frame(NFNL_MSG_BATCH_END);
        if (::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0)
            return fail_errno(errno, what);
        while (true) {
            alignas(nlmsghdr) std::array<char, kBuffer> buffer;
            const auto got = recv(socket.get(), buffer.data(), buffer.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail_errno(errno, what);
            int left = static_cast<int>(got);
            for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(at, left);
                 at = mnl_nlmsg_next(at, &left)) {
                if (at->nlmsg_type != NLMSG_ERROR) continue;
                const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(at));
                if (error->error != 0) return fail_errno(-error->error, what);
                if (at->nlmsg_seq == last_) return {};
            }
        }
    }

private:
    void frame(int type) {
        Message message(static_cast<std::uint16_t>(type), NLM_F_REQUEST);
        message.fixed<nfgenmsg>().res_id = htons(NFNL_SUBSYS_NFTABLES);
        append(message);
    }
    void append(const Message& message) {
        message.header()->nlmsg_seq = ++sequence_;
        const auto* begin = reinterpret_cast<const char*>(message.header());
        bytes_.insert(bytes_.end(), begin, begin + message.header()->nlmsg_len);
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    std::vector<char> bytes_;
    std::uint32_t sequence_{0}, last_{0};
};

void put_be32(Message& message, std::uint16_t type, std::uint32_t value) {
    message.put_u32(type, htonl(value));
}

void put_value(Message& message, std::uint16_t type, const void* data, std::size_t size) {
    auto* nest = message.nest(type);
    mnl_attr_put(message.header(), NFTA_DATA_VALUE, size, data);
    message.end(nest);
}

/// One expression of a rule.
template <typename F>
void expression(Message& message, const char* name, const F& fill) {
    auto* element = message.nest(NFTA_LIST_ELEM);
    message.put_text(NFTA_EXPR_NAME, name);
    auto* data = message.nest(NFTA_EXPR_DATA);
    fill();
    message.end(data);
    message.end(element);
}

void compare(Message& message, const void* data, std::size_t size) {
    expression(message, "cmp", [&] {
        put_be32(message, NFTA_CMP_SREG, NFT_REG_1);
        put_be32(message, NFTA_CMP_OP, NFT_CMP_EQ);
        put_value(message, NFTA_CMP_DATA, data, size);
    });
}

/// meta l4proto PROTOCOL @th,OFFSET,SIZE BYTES meta nftrace set 1
void put_rule(Message& message, const char* chain, const NftTraceMatch& match) {
    message.put_text(NFTA_RULE_TABLE, NftTrace::table_name());
    message.put_text(NFTA_RULE_CHAIN, chain);
    auto* list = message.nest(NFTA_RULE_EXPRESSIONS);
    expression(message, "meta", [&] {
        put_be32(message, NFTA_META_KEY, NFT_META_L4PROTO);
        put_be32(message, NFTA_META_DREG, NFT_REG_1);
    });
    compare(message, &match.protocol, sizeof match.protocol);
    expression(message, "payload", [&] {
        put_be32(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
        put_be32(message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
        put_be32(message, NFTA_PAYLOAD_OFFSET, match.offset);
        put_be32(message, NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(match.bytes.size()));
    });
    compare(message, match.bytes.data(), match.bytes.size());
    const std::uint8_t on = 1;
    expression(message, "immediate", [&] {
        put_be32(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
        put_value(message, NFTA_IMMEDIATE_DATA, &on, sizeof on);
    });
    expression(message, "meta", [&] {
        put_be32(message, NFTA_META_KEY, NFT_META_NFTRACE);
        put_be32(message, NFTA_META_SREG, NFT_REG_1);
    });
    message.end(list);
}

void put_chain(Message& message, const char* chain, std::uint32_t hook) {
    message.put_text(NFTA_CHAIN_TABLE, NftTrace::table_name());
    message.put_text(NFTA_CHAIN_NAME, chain);
    auto* nest = message.nest(NFTA_CHAIN_HOOK);
    put_be32(message, NFTA_HOOK_HOOKNUM, hook);
    put_be32(message, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kEarliest));
    message.end(nest);
    message.put_text(NFTA_CHAIN_TYPE, "filter");
}

Status make_table(const Fd& owner, const std::string& netns,
                  const std::vector<NftTraceMatch>& matches) {
    Batch batch;
    batch.add(NFT_MSG_NEWTABLE, [](Message& message) {
        message.put_text(NFTA_TABLE_NAME, NftTrace::table_name());
        put_be32(message, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    });
    batch.add(NFT_MSG_NEWCHAIN,
              [](Message& message) { put_chain(message, kChains[0], NF_INET_PRE_ROUTING); });
    batch.add(NFT_MSG_NEWCHAIN,
              [](Message& message) { put_chain(message, kChains[1], NF_INET_LOCAL_OUT); });
    for (const auto* chain : kChains)
        for (const auto& match : matches)
            batch.add(NFT_MSG_NEWRULE, [&](Message& message) { put_rule(message, chain, match); });
    return batch.send(
        owner, fmt::format("make the nftables table {} in {}", NftTrace::table_name(), netns));
}

Result<Fd> open_socket(const Netns& netns) {
    KSMS_TRY(auto socket, socket_in(netns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, fmt::format("open netlink in {}", netns.name()));
    return socket;
}

NftTraceStep parse_step(const nlmsghdr* message) {
    const auto* info = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    const Attributes attributes(message, sizeof *info, NFTA_TRACE_MAX);
    NftTraceStep step;
    step.family = info->nfgen_family;
    step.packet = ntohl(attributes.u32(NFTA_TRACE_ID));
    step.table = attributes.text(NFTA_TRACE_TABLE);
    step.chain = attributes.text(NFTA_TRACE_CHAIN);
    if (const auto* handle = attributes[NFTA_TRACE_RULE_HANDLE];
        handle != nullptr && mnl_attr_get_payload_len(handle) >= sizeof(std::uint64_t))
        step.handle = be64toh(mnl_attr_get_u64(handle));
    const auto type = ntohl(attributes.u32(NFTA_TRACE_TYPE));
    if (type == NFT_TRACETYPE_RETURN) step.kind = NftTraceStep::Kind::leave;
    if (type == NFT_TRACETYPE_POLICY) {
        step.kind = NftTraceStep::Kind::policy;
        step.verdict = static_cast<int>(ntohl(attributes.u32(NFTA_TRACE_POLICY)));
        return step;
    }
    const Attributes verdict(attributes[NFTA_TRACE_VERDICT], NFTA_VERDICT_MAX);
    step.verdict = static_cast<int>(ntohl(verdict.u32(NFTA_VERDICT_CODE)));
    // Of a packet's fate only the low byte tells; above it stands an errno or a queue.
    if (step.verdict > 0) step.verdict &= NF_VERDICT_MASK;
    step.target = verdict.text(NFTA_VERDICT_CHAIN);
    return step;
}

}  // namespace

std::string NftTrace::table_name() {
    return fmt::format("ksms_explain_{}", getpid());
}

Result<NftTrace> NftTrace::start(const Netns& netns, const std::vector<NftTraceMatch>& matches) {
    NftTrace trace;
    trace.netns_ = netns.name();
    KSMS_TRY(trace.listener_, open_socket(netns));
    const int group = NFNLGRP_NFTRACE;
    if (setsockopt(trace.listener_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                   sizeof group) != 0)
        return fail_errno(errno, fmt::format("listen to the nftables trace of {}", netns.name()));
    setsockopt(trace.listener_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom);
    KSMS_TRY(trace.owner_, open_socket(netns));
    KSMS_CHECK(make_table(trace.owner_, netns.name(), matches));
    return trace;
}

Result<std::vector<NftTraceStep>> NftTrace::finish() {
    owner_.reset();
    std::vector<NftTraceStep> all;
    std::set<std::uint32_t> ours;
    // What the packets met is here already: the kernel sends it while it looks at them.
    while (true) {
        alignas(nlmsghdr) std::array<char, kBuffer> buffer;
        const auto got = recv(listener_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) break;
        if (got < 0) return fail_errno(errno, "read the nftables trace of " + netns_);
        int left = static_cast<int>(got);
        for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(at, left);
             at = mnl_nlmsg_next(at, &left)) {
            if (at->nlmsg_type != nft_message(NFT_MSG_TRACE)) continue;
            auto step = parse_step(at);
            if (step.table == table_name())
                ours.insert(step.packet);
            else
                all.push_back(std::move(step));
        }
    }
    listener_.reset();
    std::erase_if(all, [&](const NftTraceStep& step) { return !ours.contains(step.packet); });
    return all;
}

}  // namespace ksms
