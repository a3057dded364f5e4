// SPDX-License-Identifier: BSD-2-Clause
// Namespaces and processes by the names that people give them; no root.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "os/netns.hpp"
#include "os/process.hpp"

using namespace ksms;

TEST_CASE("namespaces: what is no name is refused, what is not there is not found") {
    for (const auto* bad :
         {"../../etc", "a/b", "..", ".", "", "-x", "pid:", "pid:0", "pid:1x", "pid:-1"}) {
        INFO(bad);
        const auto netns = Netns::open(bad);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::usage);
        CHECK_FALSE(netns.error().hint.empty());
    }
    for (const auto* gone :
         {"no-such-namespace", "pid:4194303", "/proc/4194303/ns/net", "/no/such/file"}) {
        INFO(gone);
        const auto netns = Netns::open(gone);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::not_found);
    }
}

TEST_CASE("namespaces: a path that is none is refused") {
    for (const auto* path : {"/etc/passwd", "/proc/self/ns/mnt"}) {
        const auto netns = Netns::open(path);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::usage);
        CHECK(netns.error().message.find(path) != std::string::npos);
    }
}

TEST_CASE("processes: start time tells one from the next, and the name may hold anything") {
    const auto self = this_process();
    REQUIRE(self);
    CHECK(self->pid == static_cast<std::uint32_t>(getpid()));
    CHECK(self->start > 0);
    CHECK(is_alive(*self));
    CHECK_FALSE(is_alive({self->pid, self->start + 1}));
    CHECK_FALSE(is_alive({4194303, 1}));
    CHECK(process_id(4194303).error().code == Code::not_found);
    CHECK_FALSE(user_name().empty());
}
