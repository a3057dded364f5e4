// SPDX-License-Identifier: BSD-2-Clause
#include "os/watched.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>

#include "base/fd.hpp"

using namespace ksms;

namespace {

void watch(int epoll, int fd) {
    epoll_event event{};
    REQUIRE(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

}  // namespace

TEST_CASE("watched: timerfds, eventfds and signal pipes outside any epoll are reported") {
    const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    const Fd inherited(::eventfd(0, 0));
    CHECK(are_events_watched());
    for (const bool is_timer : {true, false}) {
        const Fd fd(is_timer ? ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)
                             : ::eventfd(0, EFD_CLOEXEC));
        const auto missing = are_events_watched();
        REQUIRE_FALSE(missing);
        CHECK(missing.error().err == ENOMEM);
        CHECK(missing.error().message.find(is_timer ? "timerfd" : "eventfd") != std::string::npos);
        watch(epoll.get(), fd.get());
        CHECK(are_events_watched());
    }
    std::array<int, 2> pair{};
    REQUIRE(::pipe2(pair.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    const Fd out(pair[0]), in(pair[1]);
    CHECK_FALSE(are_events_watched());
    watch(epoll.get(), out.get());
    CHECK(are_events_watched());
}
