// SPDX-License-Identifier: BSD-2-Clause
// Which packets a routing rule selects, and its text.
#include <linux/fib_rules.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "explain/route_choice.hpp"

using namespace ksms;

namespace {

RouteQuestion question() {
    RouteQuestion asked;
    asked.source = *Address::parse("10.1.1.100");
    asked.destination = *Address::parse("10.2.5.100");
    asked.iif = 3;
    asked.protocol = IPPROTO_TCP;
    asked.source_port = 40000;
    asked.destination_port = 443;
    asked.tos = 0x84;
    return asked;
}

}  // namespace

TEST_CASE("routing rules: each selector") {
    const auto asked = question();
    RoutingRule rule;
    CHECK(matches(rule, asked, "eth1"));
    CHECK(selector_text(rule) == "from all");
    rule.iif = "eth1";
    CHECK(matches(rule, asked, "eth1"));
    CHECK_FALSE(matches(rule, asked, "eth2"));
    rule.protocol = IPPROTO_TCP;
    rule.port_first = 440;
    rule.port_last = 450;
    rule.source = {*Address::parse("10.1.0.0"), 16};
    CHECK(matches(rule, asked, "eth1"));
    CHECK(selector_text(rule) == "from 10.1.0.0/16 iif eth1 ipproto tcp dport 440-450");
    rule.inverted = true;
    CHECK_FALSE(matches(rule, asked, "eth1"));
    rule.inverted = false;
    rule.mark = rule.mark_mask = 0xff;
    CHECK_FALSE(matches(rule, asked, "eth1"));
    rule.mark = rule.mark_mask = 0;
    rule.tos = 0x04;
    rule.tos_mask = 0x1c;
    CHECK(matches(rule, asked, "eth1"));
    rule.tos = 0x08;
    CHECK_FALSE(matches(rule, asked, "eth1"));
    CHECK(selector_text(rule).find(" tos 0x08") != std::string::npos);
}

TEST_CASE("routing rules: locally generated packets have iif lo") {
    RoutingRule rule;
    rule.iif = "lo";
    CHECK(matches(rule, question(), ""));
    CHECK_FALSE(matches(rule, question(), "eth1"));
}
