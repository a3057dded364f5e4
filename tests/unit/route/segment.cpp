// SPDX-License-Identifier: BSD-2-Clause
// What hangs on a link, in a network that is a table.
#include "route/segment.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "plan/fake_network.hpp"

using namespace ksms;
using namespace ksms::test;

namespace {

/// r1 and r2, joined by a wire between "wire" and "wire".
struct TwoEnds : FakeNetwork {
    std::size_t r1 = node("r1", true), r2 = node("r2", true);
    std::uint32_t near = interface(r1, "wire", "veth"), far = interface(r2, "wire", "veth");
    TwoEnds() { wire(r1, near, r2, far); }

    /// A device upon an interface.
    std::uint32_t upon(std::size_t at, std::uint32_t lower, const std::string& kind) {
        const auto made = interface(at, kind, kind);
        link(at, made).peer = lower;
        return made;
    }
    /// A master of an interface.
    std::uint32_t above(std::size_t at, std::uint32_t port, const std::string& kind) {
        const auto made = interface(at, kind, kind);
        link(at, port).master = made;
        return made;
    }
    Segment from(std::size_t at, std::uint32_t ifindex) {
        const auto segment = segment_of(*this, at, ifindex);
        REQUIRE(segment);
        return *segment;
    }
    static bool reaches(const Segment& segment, std::size_t at, std::uint32_t ifindex) {
        return std::ranges::find(segment.endpoints, Segment::Endpoint{at, ifindex}) !=
               segment.endpoints.end();
    }
};

}  // namespace

TEST_CASE("segment: the ports of a bond are one interface, on either side") {
    for (const char* kind : {"bond", "team"}) {
        TwoEnds net;
        const auto bond = net.above(net.r1, net.near, kind);
        const auto there = net.from(net.r1, bond);
        CHECK(net.reaches(there, net.r2, net.far));
        CHECK_FALSE(there.leaves_sight);
        const auto back = net.from(net.r2, net.far);
        CHECK(net.reaches(back, net.r1, bond));
        CHECK_FALSE(net.reaches(back, net.r1, net.near));
        CHECK_FALSE(is_tunnel(net.link(net.r1, bond)));
    }
}

TEST_CASE("segment: what comes to an interface may be for a device upon it") {
    for (const char* kind : {"vlan", "macvlan", "ipvlan"}) {
        TwoEnds net;
        const auto upper = net.upon(net.r2, net.far, kind);
        const auto own = net.upon(net.r1, net.near, kind);
        const auto there = net.from(net.r1, own);
        CHECK(net.reaches(there, net.r2, upper));
        CHECK(net.reaches(there, net.r2, net.far));
        CHECK_FALSE(there.leaves_sight);
    }
}

TEST_CASE("segment: a VLAN upon a bridge that has the wire as its port") {
    TwoEnds net;
    const auto bridge = net.above(net.r2, net.far, "bridge");
    const auto upper = net.upon(net.r2, bridge, "vlan");
    CHECK(net.reaches(net.from(net.r1, net.near), net.r2, upper));
    CHECK(net.reaches(net.from(net.r2, upper), net.r1, net.near));
}

TEST_CASE("segment: a device upon an interface of another namespace") {
    for (const char* kind : {"vlan", "macvlan", "ipvlan"}) {
        TwoEnds net;
        const auto inner = net.node("inner", true);
        const auto upper = net.interface(inner, kind, kind);
        net.link(inner, upper).peer = net.far;
        net.link(inner, upper).peer_nsid = static_cast<int>(net.r2);
        CHECK(net.reaches(net.from(net.r1, net.near), inner, upper));
        const auto back = net.from(inner, upper);
        CHECK(net.reaches(back, net.r1, net.near));
        CHECK_FALSE(back.leaves_sight);
    }
}

TEST_CASE("segment: two devices upon one interface of a third namespace reach each other") {
    for (const char* kind : {"macvlan", "ipvlan"}) {
        TwoEnds net;
        const auto inner = net.node("inner", true);
        const auto one = net.interface(inner, kind, kind), two = net.interface(inner, kind, kind);
        for (const auto upper : {one, two}) {
            net.link(inner, upper).peer = net.far;
            net.link(inner, upper).peer_nsid = static_cast<int>(net.r2);
        }
        CHECK(net.reaches(net.from(inner, one), inner, two));
        CHECK_FALSE(net.reaches(net.from(inner, one), inner, one));
    }
}

TEST_CASE("segment: through Open vSwitch to another port, and to an interface of its own") {
    TwoEnds net;
    const auto middle = net.node("switch", false);
    const auto system = net.interface(middle, "ovs-system", "openvswitch");
    const auto own = net.interface(middle, "br0", "openvswitch");
    const auto left = net.interface(middle, "p1", "veth");
    const auto right = net.interface(middle, "p2", "veth");
    net.link(middle, left).master = net.link(middle, right).master = system;
    net.wire(net.r1, net.near, middle, left);
    net.wire(net.r2, net.far, middle, right);
    const auto there = net.from(net.r1, net.near);
    CHECK(net.reaches(there, net.r2, net.far));
    CHECK(net.reaches(there, middle, own));
    CHECK(there.bridges == std::vector{middle});
    CHECK(net.reaches(net.from(middle, own), net.r1, net.near));
    CHECK_FALSE(is_tunnel(net.link(middle, own)));
}

TEST_CASE("own links: the ports of a VRF, and no ports of a bridge") {
    TwoEnds net;
    net.above(net.r1, net.near, "vrf");
    const auto bridge = net.above(net.r2, net.far, "bridge");
    CHECK(own_links(net[net.r1].interfaces.links).size() == 2);
    const auto behind = own_links(net[net.r2].interfaces.links);
    REQUIRE(behind.size() == 1);
    CHECK(behind.front().ifindex == bridge);
}
