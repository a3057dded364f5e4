// SPDX-License-Identifier: BSD-2-Clause
// IPsec policies as the kernel sends them (XFRM_MSG_NEWPOLICY), and which of them decides.
#include "os/xfrm.hpp"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "os/message.hpp"
#include "os/parse.hpp"

using namespace ksms;

namespace {

const auto kHere = *Address::parse("10.0.0.2"), kThere = *Address::parse("10.0.2.2");

/// `ip xfrm policy add src 10.0.0.0/24 dst 10.0.2.2 proto tcp dport 80 dir DIR action block`
template <typename Fill>
std::optional<IpsecPolicy> read_policy(std::uint8_t direction, const Fill& fill) {
    Message message(XFRM_MSG_NEWPOLICY, 0);
    auto* info = static_cast<xfrm_userpolicy_info*>(
        mnl_nlmsg_put_extra_header(message.header(), sizeof(xfrm_userpolicy_info)));
    auto& selected = info->sel;
    selected.family = AF_INET;
    inet_pton(AF_INET, "10.0.0.0", &selected.saddr);
    inet_pton(AF_INET, "10.0.2.2", &selected.daddr);
    selected.prefixlen_s = 24;
    selected.prefixlen_d = 32;
    selected.proto = IPPROTO_TCP;
    selected.dport = htons(80);
    selected.dport_mask = 0xffff;
    info->dir = direction;
    info->priority = 7;
    info->action = XFRM_POLICY_BLOCK;
    fill(*info, message);
    return parse_outgoing_policy(message.header());
}

IpsecFlow flow_to(std::uint16_t port, std::uint8_t protocol = IPPROTO_TCP) {
    return {kHere, kThere, protocol, 33000, port};
}

IpsecPolicy policy_of(std::uint32_t priority, bool blocks, IpsecPorts ports = {}) {
    IpsecPolicy policy;
    policy.source = {*Address::parse("10.0.0.0"), 24};
    policy.destination = {*Address::parse("10.0.2.0"), 24};
    policy.priority = priority;
    policy.blocks = blocks;
    policy.destination_ports = ports;
    return policy;
}

}  // namespace

TEST_CASE("xfrm: an outgoing policy is read, others are not") {
    const auto nothing = [](auto&, auto&) {};
    const auto policy = read_policy(XFRM_POLICY_OUT, nothing);
    REQUIRE(policy);
    CHECK(policy->source.text() == "10.0.0.0/24");
    CHECK(policy->destination.text() == "10.0.2.2/32");
    CHECK(policy->priority == 7);
    CHECK(policy->blocks);
    CHECK_FALSE(policy->depends);
    CHECK(policy->selects(flow_to(80)));
    CHECK_FALSE(policy->selects(flow_to(81)));
    CHECK_FALSE(policy->selects(flow_to(80, IPPROTO_UDP)));
    CHECK(policy->tells_apart(kHere, kThere));
    CHECK_FALSE(policy->tells_apart(kThere, kHere));
    CHECK_FALSE(read_policy(XFRM_POLICY_IN, nothing));
    CHECK_FALSE(read_policy(XFRM_POLICY_FWD, nothing));
    CHECK_FALSE(read_policy(XFRM_POLICY_OUT, [](auto& info, auto&) { info.sel.family = 1; }));
    const auto marked = read_policy(XFRM_POLICY_OUT, [](auto&, Message& message) {
        const xfrm_mark mark{1, 1};
        message.put(XFRMA_MARK, &mark, sizeof mark);
    });
    REQUIRE(marked);
    CHECK(marked->depends);
}

TEST_CASE("xfrm: of the policies that select a packet the lowest priority decides") {
    const IpsecPorts http{80, 0xffff};
    CHECK_FALSE(is_blocked({}, flow_to(80)));
    CHECK(is_blocked({policy_of(1, true)}, flow_to(80)));
    CHECK(is_blocked({policy_of(2, false), policy_of(1, true, http)}, flow_to(80)));
    CHECK_FALSE(is_blocked({policy_of(2, false), policy_of(1, true, http)}, flow_to(81)));
    CHECK_FALSE(is_blocked({policy_of(1, false, http), policy_of(2, true)}, flow_to(80)));
    CHECK(is_blocked({policy_of(1, false, http), policy_of(2, true)}, flow_to(81)));
    CHECK_FALSE(is_blocked({policy_of(1, false), policy_of(1, true)}, flow_to(80)));
    auto depends = policy_of(1, true);
    depends.depends = true;
    CHECK_FALSE(is_blocked({depends}, flow_to(80)));
}
