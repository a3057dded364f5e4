// SPDX-License-Identifier: BSD-2-Clause
// Which neighbours a plan knows that nobody will answer for.
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "plan/fake_network.hpp"
#include "route/planner.hpp"

namespace {

using namespace ksms;
using namespace ksms::test;

/// Who could answer for it is waited for.
TEST_CASE("plan: nobody on a link that is in sight answers for the destination") {
    FakeNetwork network;
    const auto src = network.node("src", false), r1 = network.node("r1", true),
               alone = network.node("alone", false);
    network.wire(src, network.interface(src, "eth0", "veth", {"10.0.0.2/24"}), r1,
                 network.interface(r1, "in", "veth", {"10.0.0.1/24"}));
    const auto out = network.interface(r1, "out", "veth", {"10.0.3.1/24"});
    network.wire(r1, out, alone, network.interface(alone, "eth0", "veth", {"10.0.3.9/24"}));
    network[src].routes.push_back({net("0.0.0.0/0"), 1, "10.0.0.1"});
    const auto nobody = [&](const std::string& destination) {
        ScanRequest request;
        request.source = ip("10.0.0.2");
        request.destination = ip(destination);
        request.services = {{IPPROTO_TCP, 22}};
        const auto plan = make_plan(network, request, 0);
        REQUIRE(plan);
        REQUIRE(plan->neighbours.back().is_destination);
        CHECK_FALSE(plan->neighbours.front().nobody);
        return plan->neighbours.back().nobody;
    };
    CHECK(nobody("10.0.3.2"));
    CHECK_FALSE(nobody("10.0.3.9"));
    // A router may answer for others.
    network[alone].forwards = true;
    CHECK_FALSE(nobody("10.0.3.2"));
    network[alone].forwards = false;
    // The other end is not to be seen.
    network.link(r1, out).kind = "";
    network.link(r1, out).peer = 0;
    CHECK_FALSE(nobody("10.0.3.2"));
}

}  // namespace
