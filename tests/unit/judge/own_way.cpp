// SPDX-License-Identifier: BSD-2-Clause
// Which events of a trail are the packet's own, and which are those of its copies.
#include "judge/own_way.hpp"

#include <catch2/catch.hpp>

#include "trail_by_hand.hpp"

using namespace ksms;
using namespace ksms::test;
using End = OwnWay::End;

namespace {

struct Net {
    PlanNetns src{named("src")}, r1{named("r1")}, r2{named("r2")}, side{named("side")},
        dst{named("dst")};
    Origin origin{src.inode(), 0};
};

std::vector<std::uint32_t> netns_of(const OwnWay& way) {
    std::vector<std::uint32_t> result;
    for (const auto& visit : way.visits) result.push_back(visit.netns);
    return result;
}

}  // namespace

TEST_CASE("own way: from namespace to namespace, to the socket that took it") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src)
        .by_socket()
        .in(1, net.r1)
        .out(1, net.r1)
        .in(1, net.dst)
        .accepted(1, net.dst);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode(), net.dst.inode()});
    CHECK(way.end == End::accepted);
    CHECK_FALSE(way.copied);
}

TEST_CASE("own way: a trail without a start has none") {
    const Net net;
    TrailMaker made;
    CHECK(own_way(made.trail, net.origin).end == End::not_begun);
    made.in(1, net.r1).out(1, net.r1);
    CHECK(own_way(made.trail, net.origin).end == End::not_begun);
    CHECK(own_way(made.trail, {net.r1.inode(), 1}).end == End::sent_on);
}

TEST_CASE("own way: what came in and is not seen again is held") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1);
    CHECK(own_way(made.trail, net.origin).end == End::held);
}

TEST_CASE("own way: the drop of a copy is not the packet's") {
    const Net net;
    TrailMaker made;  // a packet socket that nobody reads: a clone, dropped
    made.out(1, net.src).by_socket().in(1, net.r1).dropped(7, net.r1, "PACKET_SOCK_ERROR", 1);
    made.out(1, net.r1);
    const auto way = own_way(made.trail, net.origin);
    CHECK(way.end == End::sent_on);
    CHECK(way.copied);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
}

TEST_CASE("own way: a mirrored copy that goes on does not save the packet that was dropped") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1);
    made.out(7, net.r1, 3, 1).in(7, net.side, 1, 1).consumed(7, net.side, 1);
    made.dropped(1, net.r1, "NEIGH_FAILED");
    const auto way = own_way(made.trail, net.origin);
    CHECK(way.end == End::dropped);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
}

TEST_CASE("own way: what TEE sends back is not the packet in a circle") {
    const Net net;
    TrailMaker made;  // a copy of its own data, sent to a gateway that sends it back
    made.out(1, net.src).by_socket().in(1, net.r1);
    made.out(7, net.r1, 3).in(7, net.side).out(7, net.side).in(7, net.r1, 3).out(7, net.r1);
    made.out(1, net.r1).in(1, net.dst).accepted(1, net.dst);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode(), net.dst.inode()});
}

TEST_CASE("own way: the source's own copies are told from what its socket sent") {
    const Net net;
    TrailMaker made;  // TEE in OUTPUT sends the copy first
    made.out(7, net.src, 3).in(7, net.side).dropped(7, net.side, "NETFILTER_DROP");
    made.out(1, net.src).by_socket().in(1, net.r1).out(1, net.r1);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
    CHECK(way.end == End::sent_on);
}

TEST_CASE("own way: an answer with the same content is no part of it") {
    const Net net;
    TrailMaker made;  // UDP echo: the answers come back, and r1 drops them
    made.out(1, net.src)
        .by_socket()
        .in(1, net.r1)
        .out(1, net.r1)
        .in(1, net.dst)
        .accepted(1, net.dst);
    made.consumed(1, net.dst);
    made.out(7, net.dst, 1).by_socket().in(7, net.r1, 2).dropped(7, net.r1, "NETFILTER_DROP");
    const auto way = own_way(made.trail, net.origin);
    CHECK(way.end == End::accepted);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode(), net.dst.inode()});
}

TEST_CASE("own way: where a bridge floods, the clone goes on that somebody takes") {
    const Net net;
    const auto bridge = named("bridge");
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, bridge);
    made.out(7, bridge, 2, 1).out(1, bridge, 3);
    made.in(7, net.r1, 1, 1).in(1, net.side).for_another();
    made.dropped(1, net.side, "OTHERHOST").for_another().out(7, net.r1, 2, 1);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), bridge.inode(), net.r1.inode()});
    CHECK(way.end == End::sent_on);
}

TEST_CASE("own way: a copy that is gone is no clone of what has its data afterwards") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1).out(7, net.r1, 3, 9).in(7, net.dst, 1, 9);
    made.dropped(7, net.dst, "IP_INADDRERRORS", 9).out(1, net.r1, 2, 9);
    made.in(1, net.side, 1, 9).for_another().dropped(1, net.side, "OTHERHOST", 9).for_another();
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
    CHECK(way.end == End::sent_on);
}

TEST_CASE("own way: a frame that nobody takes ends where it was sent") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1).out(1, net.r1);
    made.in(1, net.side).for_another().dropped(1, net.side, "OTHERHOST").for_another();
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
    CHECK(way.end == End::sent_on);
}

TEST_CASE("own way: a packet that was rebuilt on its way is still the packet") {
    const Net net;
    TrailMaker made;  // XDP on a veth makes a new buffer of it
    made.out(1, net.src).by_socket().consumed(1, net.r1).in(7, net.r1).out(7, net.r1);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
    CHECK(way.end == End::sent_on);
}

TEST_CASE("own way: what TC redirects as a clone goes on") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1).out(7, net.r1, 4, 1).consumed(1, net.r1);
    made.in(7, net.r2, 1, 1);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode(), net.r2.inode()});
}

TEST_CASE("own way: a buffer that is used again is another packet") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1).dropped(1, net.r1, "NETFILTER_DROP");
    made.in(1, net.r2).out(1, net.r2);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode()});
    CHECK(way.end == End::dropped);
}

TEST_CASE("own way: at a bridge's port every frame is for another, and goes on or is dropped") {
    const Net net;
    const auto bridge = named("bridge");
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, bridge).for_another().out(1, bridge).for_another();
    made.in(1, net.r1).out(1, net.r1);
    const auto way = own_way(made.trail, net.origin);
    CHECK(netns_of(way) == std::vector{net.src.inode(), bridge.inode(), net.r1.inode()});
    made = {};
    made.out(1, net.src).by_socket().in(1, bridge).for_another();
    made.dropped(1, bridge, "NETFILTER_DROP").for_another();
    const auto stopped = own_way(made.trail, net.origin);
    CHECK(stopped.end == End::dropped);
    CHECK(netns_of(stopped) == std::vector{net.src.inode(), bridge.inode()});
}

TEST_CASE("own way: a packet that got a longer buffer for its next header goes on") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1);
    made.routed(5, net.r1, 3).routed(1, net.r1).consumed(1, net.r1);
    made.out(5, net.r1, 3).out(7, net.r1).dropped(7, net.r1, "NETFILTER_DROP");
    const auto way = own_way(made.trail, net.origin);
    CHECK(way.end == End::dropped);
    CHECK(way.visits.back().last(TrailEvent::Kind::went_out)->packet.buffer == 7);
}

TEST_CASE("own way: a longer buffer where nobody says that a packet was routed (Linux 6.1)") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1).consumed(1, net.r1, 0, 2).out(7, net.r1);
    made.in(7, net.r2).dropped(7, net.r2, "NETFILTER_DROP");
    const auto way = own_way(made.trail, net.origin);
    CHECK(way.end == End::dropped);
    CHECK(netns_of(way) == std::vector{net.src.inode(), net.r1.inode(), net.r2.inode()});
}

TEST_CASE("own way: of two that leave by that device, nobody knows which is the packet") {
    const Net net;
    TrailMaker made;
    made.out(1, net.src).by_socket().in(1, net.r1).consumed(5, net.r1, 0, 2);
    made.consumed(1, net.r1, 0, 2).out(6, net.r1);
    CHECK(own_way(made.trail, net.origin).end == End::consumed);
    TrailMaker made_here;
    made_here.out(1, net.src).by_socket().in(1, net.r1).consumed(1, net.r1, 0, 2);
    made_here.out(7, net.r1).made_here();
    CHECK(own_way(made_here.trail, net.origin).end == End::consumed);
}
