// SPDX-License-Identifier: BSD-2-Clause
// Routing rules as the kernel sends them (RTM_NEWRULE).
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/parse.hpp"

using namespace ksms;

namespace {

// Numbers from include/uapi/linux/fib_rules.h; the copy of Debian 12 is older.
constexpr std::uint16_t kDscp = 25, kFlowLabel = 26, kDscpMask = 30;

template <typename Fill>
RoutingRule parsed(int family, const Fill& fill) {
    Message message(RTM_NEWRULE, 0);
    auto& header = message.fixed<fib_rule_hdr>();
    header.family = static_cast<std::uint8_t>(family);
    header.table = RT_TABLE_MAIN;
    header.action = FR_ACT_TO_TBL;
    fill(header, message);
    const auto rule = parse_routing_rule(message.header());
    REQUIRE(rule);
    return *rule;
}

}  // namespace

TEST_CASE("rules: dscp matches six bits, the IPv4 tos selector three of them") {
    auto rule = parsed(AF_INET, [](auto&, Message& message) { message.put_u8(kDscp, 40); });
    CHECK(rule.tos == 160);
    CHECK(rule.tos_mask == 0xfc);
    rule = parsed(AF_INET, [](auto&, Message& message) {
        message.put_u8(kDscp, 40);
        message.put_u8(kDscpMask, 0x38);
    });
    CHECK(rule.tos == 160);
    CHECK(rule.tos_mask == 0xe0);
    rule = parsed(AF_INET, [](fib_rule_hdr& header, Message&) { header.tos = 0x10; });
    CHECK(rule.tos == 0x10);
    CHECK(rule.tos_mask == 0x1c);
    rule = parsed(AF_INET6, [](fib_rule_hdr& header, Message&) { header.tos = 0xa0; });
    CHECK(rule.tos_mask == 0xfc);
}

TEST_CASE("rules: an IPv6 flow label is not taken for a DSCP") {
    const auto rule =
        parsed(AF_INET6, [](auto&, Message& message) { message.put_be32(kFlowLabel, 40); });
    CHECK(rule.tos_mask == 0);
}
