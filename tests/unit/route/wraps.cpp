// SPDX-License-Identifier: BSD-2-Clause
// What goes on in another packet.
#include <catch2/catch.hpp>

#include "plan/fake_network.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

bool wraps(FakeNetwork& network, const RouteAnswer& answer) {
    const auto told = may_wrap(network, 0, answer, ip("10.0.0.1"), ip("10.0.2.2"));
    REQUIRE(told);
    return *told;
}

}  // namespace

TEST_CASE("wraps: a route that encapsulates") {
    FakeNetwork network;
    network.node("r1", true);
    RouteAnswer answer;
    CHECK_FALSE(wraps(network, answer));
    answer.encapsulates = true;
    CHECK(wraps(network, answer));
}

TEST_CASE("wraps: an IPsec policy between the two addresses that does not block") {
    FakeNetwork network;
    network.node("r1", true);
    IpsecPolicy policy;
    policy.source = net("10.0.0.0/24");
    policy.destination = net("10.0.2.0/24");
    network[0].policies = {policy};
    CHECK(wraps(network, {}));
    network[0].policies[0].blocks = true;
    CHECK_FALSE(wraps(network, {}));
    policy.destination = net("10.0.3.0/24");
    network[0].policies = {policy};
    CHECK_FALSE(wraps(network, {}));
}
