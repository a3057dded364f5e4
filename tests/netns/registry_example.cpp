// SPDX-License-Identifier: BSD-2-Clause
// The registry used by another program, through include/ksms/registry.hpp only.
#include "ksms/registry.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "lab/lab.hpp"
#include "lab/process.hpp"

namespace {

/// The example in the header: a socket whose packets carry a DSCP that no other job uses.
int example(const std::string& pin_root, int& tos_seen) {
    const auto registry = ksms::LeaseRegistry::open(pin_root);
    if (!registry) return registry.error().exit_status;
    const auto lease = registry->allocate({.job = "nightly", .wait = std::chrono::seconds(30)});
    if (!lease) return lease.error().exit_status;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int tos = lease->tos();
    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    socklen_t size = sizeof tos_seen;
    getsockopt(fd, IPPROTO_IP, IP_TOS, &tos_seen, &size);
    close(fd);
    return lease->held() ? 0 : 1;
}

}  // namespace

TEST_CASE("registry: the example of the C++ interface, and a lease that releases itself") {
    const ksms::lab::Lab lab;
    int tos = 0;
    CHECK(example(lab.pin_root(), tos) == 0);
    CHECK(tos == 32 << 2);
    auto registry = ksms::LeaseRegistry::open(lab.pin_root());
    REQUIRE(registry);
    auto first = registry->allocate({.job = "a"});
    REQUIRE(first);
    CHECK(first->dscp() == 32);  // the example's lease was released
    {
        auto second = registry->allocate({.job = "b", .ttl = std::chrono::seconds(60)});
        REQUIRE(second);
        CHECK(second->dscp() == 33);
        CHECK(second->renew(std::chrono::seconds(5)));
        auto moved = std::move(*second);
        CHECK(moved.held());
        CHECK(moved.job() == "b");
    }
    const auto taken = registry->allocate({.job = "c", .dscp = 33});
    REQUIRE(taken);
    const auto refused = registry->allocate({.job = "d", .dscp = 33});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().exit_status == 4);
    CHECK(refused.error().message.find("job c") != std::string::npos);
    first->release();
    CHECK_FALSE(first->held());
}
