// SPDX-License-Identifier: BSD-2-Clause
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "guard/guard.hpp"

using namespace ksms;

TEST_CASE("journal: a temporary neighbour's lladdr is locally administered and encodes the DSCP") {
    CHECK(fake_mac(32) == Mac{0x02, 0x6b, 0x73, 0x6d, 0x00, 0x20});
    CHECK(fake_mac(63) == Mac{0x02, 0x6b, 0x73, 0x6d, 0x00, 0x3f});
    CHECK((fake_mac(32)[0] & 1) == 0);  // no multicast
}

TEST_CASE("journal: filter handles begin with KS and differ by direction and DSCP") {
    CHECK(filter_handle(KSMS_INGRESS, 32) == 0x4b530020);
    CHECK(filter_handle(KSMS_EGRESS, 63) == 0x4b53013f);
    std::set<std::uint32_t> handles;
    for (std::uint8_t dscp = 0; dscp < KSMS_DSCPS; ++dscp)
        for (const auto direction : {KSMS_INGRESS, KSMS_EGRESS})
            handles.insert(filter_handle(direction, dscp));
    CHECK(handles.size() == 2 * KSMS_DSCPS);
}

TEST_CASE("journal: an interface entry names its namespace by inode and cookie") {
    const Netns netns;
    const auto filter = did_filter(netns, 7, KSMS_EGRESS, 49152, 0x4b530120);
    CHECK(filter.kind == KSMS_DID_FILTER);
    CHECK(filter.ifindex == 7);
    CHECK(filter.direction == KSMS_EGRESS);
    CHECK(filter.priority == 49152);
    CHECK(filter.handle == 0x4b530120);
    CHECK(filter.cookie == netns.cookie());
    CHECK(filter.netns == netns.inode());
    CHECK(did_qdisc(netns, 8).kind == KSMS_DID_QDISC);
    CHECK(did_qdisc(netns, 8).ifindex == 8);
}

TEST_CASE("journal: a neighbour entry tells the temporary neighbour from a real one") {
    const Netns netns;
    const auto four = Address::parse("10.2.5.100");
    const auto six = Address::parse("fd00::9");
    REQUIRE(four);
    REQUIRE(six);
    const auto entry = did_neighbour(netns, 3, *four, fake_mac(40));
    CHECK(entry.kind == KSMS_DID_NEIGHBOUR);
    CHECK(entry.family == 4);
    CHECK(Address::from_bytes(AF_INET, entry.address) == *four);
    CHECK(std::ranges::equal(entry.lladdr, fake_mac(40)));
    const auto other = did_neighbour(netns, 3, *six, fake_mac(40));
    CHECK(other.family == 6);
    CHECK(Address::from_bytes(AF_INET6, other.address) == *six);
}

TEST_CASE("journal: entries of a scan, a lease and a tap") {
    CHECK(did_scan(32, 7).kind == KSMS_DID_SCAN);
    CHECK(did_scan(32, 7).dscp == 32);
    CHECK(did_scan(32, 7).generation == 7);
    CHECK(did_lease(33, 8).kind == KSMS_DID_LEASE);
    CHECK(did_lease(33, 8).dscp == 33);
    CHECK(did_lease(33, 8).generation == 8);
    CHECK(did_tap(17).kind == KSMS_DID_TAP);
    CHECK(did_tap(17).handle == 17);
}
