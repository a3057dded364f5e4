// SPDX-License-Identifier: BSD-2-Clause
#include "base/write_all.hpp"

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <thread>

#include "base/fd.hpp"

using namespace ksms;

TEST_CASE("write_all: short writes are continued until everything is written") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    Fd to(ends[0]);
    const Fd from(ends[1]);
    const std::string sent(3'000'000, 'x');
    std::string got;
    std::thread reader([&] {
        char piece[4096];
        for (;;) {
            const auto size = read(from.get(), piece, sizeof piece);
            if (size <= 0) break;
            got.append(piece, static_cast<std::size_t>(size));
        }
    });
    const auto written = write_all(to.get(), sent, "the socket");
    to.reset();
    reader.join();
    CHECK(written);
    CHECK(got == sent);
}

TEST_CASE("write_all: an error names the file") {
    const auto written = write_all(-1, "x", "/some/file");
    REQUIRE_FALSE(written);
    CHECK(written.error().err == EBADF);
    CHECK(written.error().message == "write /some/file");
}
