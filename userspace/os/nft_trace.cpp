// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <set>

#include "base/clock.hpp"
#include "os/exchange.hpp"
#include "os/message.hpp"
#include "os/nftables.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

constexpr int kRoom = 4 << 20;  // bytes; traces of other users arrive here too
// The buffer is read in a few milliseconds. A constant flood would never end.
constexpr std::chrono::seconds kAnswerPatience{1};
constexpr std::int32_t kEarliest = INT_MIN + 1;  // before raw (-300) and everybody else
constexpr std::array<const char*, 2> kChains{"prerouting", "output"};

/// Messages that the kernel applies all or none of.
class Transaction {
public:
    Transaction() { frame(NFNL_MSG_BATCH_BEGIN); }
    /// @param fill  puts the attributes
    template <typename F>
    void add(int type, const F& fill) {
        Message message(nft_message(type), NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND);
        message.fixed<nfgenmsg>().nfgen_family = NFPROTO_INET;
        fill(message);
        batch_.add(message);
    }
    Status commit(Netlink& netlink, const std::string& what) {
        const auto last = batch_.size() - 1;
        frame(NFNL_MSG_BATCH_END);
        return netlink.exchange(batch_, last, what,
                                [&](std::size_t, const nlmsghdr* reply) -> Status {
                                    if (const int err = error_of(reply); err != 0)
                                        return fail_errno(err, what);
                                    return {};
                                });
    }

private:
    void frame(int type) {
        Message message(static_cast<std::uint16_t>(type), 0);
        message.fixed<nfgenmsg>().res_id = htobe16(NFNL_SUBSYS_NFTABLES);
        batch_.add(message);
    }
    Batch batch_;
};

void put_value(Message& message, std::uint16_t type, const void* data, std::size_t size) {
    message.nest(type, [&] { message.put(NFTA_DATA_VALUE, data, size); });
}

/// One expression of a rule.
template <typename F>
void expression(Message& message, const char* name, const F& fill) {
    message.nest(NFTA_LIST_ELEM, [&] {
        message.put_text(NFTA_EXPR_NAME, name);
        message.nest(NFTA_EXPR_DATA, fill);
    });
}

void compare(Message& message, const void* data, std::size_t size) {
    expression(message, "cmp", [&] {
        message.put_be32(NFTA_CMP_SREG, NFT_REG_1);
        message.put_be32(NFTA_CMP_OP, NFT_CMP_EQ);
        put_value(message, NFTA_CMP_DATA, data, size);
    });
}

/// meta l4proto PROTOCOL @th,OFFSET,SIZE BYTES meta nftrace set 1
void put_rule(Message& message, const char* chain, const NftTraceMatch& match) {
    message.put_text(NFTA_RULE_TABLE, NftTrace::table_name());
    message.put_text(NFTA_RULE_CHAIN, chain);
    message.nest(NFTA_RULE_EXPRESSIONS, [&] {
        expression(message, "meta", [&] {
            message.put_be32(NFTA_META_KEY, NFT_META_L4PROTO);
            message.put_be32(NFTA_META_DREG, NFT_REG_1);
        });
        compare(message, &match.protocol, sizeof match.protocol);
        expression(message, "payload", [&] {
            message.put_be32(NFTA_PAYLOAD_DREG, NFT_REG_1);
            message.put_be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
            message.put_be32(NFTA_PAYLOAD_OFFSET, match.offset);
            message.put_be32(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(match.bytes.size()));
        });
        compare(message, match.bytes.data(), match.bytes.size());
        const std::uint8_t on = 1;
        expression(message, "immediate", [&] {
            message.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_1);
            put_value(message, NFTA_IMMEDIATE_DATA, &on, sizeof on);
        });
        expression(message, "meta", [&] {
            message.put_be32(NFTA_META_KEY, NFT_META_NFTRACE);
            message.put_be32(NFTA_META_SREG, NFT_REG_1);
        });
    });
}

void put_chain(Message& message, const char* chain, std::uint32_t hook) {
    message.put_text(NFTA_CHAIN_TABLE, NftTrace::table_name());
    message.put_text(NFTA_CHAIN_NAME, chain);
    message.nest(NFTA_CHAIN_HOOK, [&] {
        message.put_be32(NFTA_HOOK_HOOKNUM, hook);
        message.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kEarliest));
    });
    message.put_text(NFTA_CHAIN_TYPE, "filter");
}

Status make_table(Netlink& owner, const std::vector<NftTraceMatch>& matches) {
    Transaction transaction;
    transaction.add(NFT_MSG_NEWTABLE, [](Message& message) {
        message.put_text(NFTA_TABLE_NAME, NftTrace::table_name());
        message.put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    });
    transaction.add(NFT_MSG_NEWCHAIN,
                    [](Message& message) { put_chain(message, kChains[0], NF_INET_PRE_ROUTING); });
    transaction.add(NFT_MSG_NEWCHAIN,
                    [](Message& message) { put_chain(message, kChains[1], NF_INET_LOCAL_OUT); });
    for (const auto* chain : kChains)
        for (const auto& match : matches)
            transaction.add(NFT_MSG_NEWRULE,
                            [&](Message& message) { put_rule(message, chain, match); });
    return transaction.commit(owner, fmt::format("make the nftables table {} in {}",
                                                 NftTrace::table_name(), owner.netns()));
}

}  // namespace

std::optional<NftTraceStep> parse_nft_step(const nlmsghdr* message) {
    const auto info = fixed_part<nfgenmsg>(message);
    if (!info || message->nlmsg_type != nft_message(NFT_MSG_TRACE)) return std::nullopt;
    const Attributes attributes(message, sizeof *info, NFTA_TRACE_MAX);
    NftTraceStep step;
    step.family = info->nfgen_family;
    step.packet = attributes.be32(NFTA_TRACE_ID);
    step.table = attributes.text(NFTA_TRACE_TABLE);
    step.chain = attributes.text(NFTA_TRACE_CHAIN);
    step.handle = attributes.be64(NFTA_TRACE_RULE_HANDLE);
    const auto type = attributes.be32(NFTA_TRACE_TYPE);
    if (type == NFT_TRACETYPE_RETURN) step.kind = NftTraceStep::Kind::leave;
    if (type == NFT_TRACETYPE_POLICY) {
        step.kind = NftTraceStep::Kind::policy;
        step.verdict = static_cast<int>(attributes.be32(NFTA_TRACE_POLICY));
        return step;
    }
    const Attributes verdict(attributes[NFTA_TRACE_VERDICT], NFTA_VERDICT_MAX);
    step.verdict = static_cast<int>(verdict.be32(NFTA_VERDICT_CODE));
    // The verdict is in the low byte. The upper bits have an errno or a queue number.
    if (step.verdict > 0) step.verdict &= NF_VERDICT_MASK;
    step.target = verdict.text(NFTA_VERDICT_CHAIN);
    return step;
}

std::string NftTrace::table_name() {
    return fmt::format("ksms_explain_{}", getpid());
}

Result<NftTrace> NftTrace::start(const Netns& netns, const std::vector<NftTraceMatch>& matches) {
    KSMS_TRY(auto listener, Netlink::open_netfilter(netns));
    KSMS_CHECK(listener.listen(NFNLGRP_NFTRACE, kRoom));
    KSMS_TRY(auto owner, Netlink::open_netfilter(netns));
    KSMS_CHECK(make_table(owner, matches));
    return NftTrace(std::move(owner), std::move(listener));
}

Result<std::vector<NftTraceStep>> NftTrace::finish() {
    owner_.reset();
    std::vector<NftTraceStep> all;
    std::set<std::uint32_t> ours;
    const auto take = [&](const nlmsghdr* message) {
        auto step = parse_nft_step(message);
        if (!step) return;
        if (step->table == table_name())
            ours.insert(step->packet);
        else
            all.push_back(std::move(*step));
    };
    // All messages are here already: the kernel sends them while it processes the packet.
    const auto deadline = monotonic() + kAnswerPatience;
    for (auto heard = Netlink::Heard::something; heard != Netlink::Heard::nothing;) {
        KSMS_TRY(heard, listener_.wait(nanoseconds(0), take));
        if (heard == Netlink::Heard::lost || monotonic() >= deadline)
            return fail_errno(ENOBUFS, "read the nftables trace of " + listener_.netns());
    }
    std::erase_if(all, [&](const NftTraceStep& step) { return !ours.contains(step.packet); });
    return all;
}

}  // namespace ksms
