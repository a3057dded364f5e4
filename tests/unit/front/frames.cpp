// SPDX-License-Identifier: BSD-2-Clause
// Messages on the two sockets between ksmsd and its front process.
#include "front/frames.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "front/client_socket.hpp"

using namespace ksms;
using nlohmann::json;

TEST_CASE("front: malformed frames close the connection") {
    boost::asio::io_context io;
    const auto why_of = [&io](std::string_view sent, Frames::Limits limits) {
        std::array<int, 2> pair{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
        Fd other(pair[1]);
        std::string why = "none";
        Frames frames(
            io, Fd(pair[0]), limits, [](const json&, const std::string&) {},
            [&](std::string said) { why = std::move(said); });
        REQUIRE(::write(other.get(), sent.data(), sent.size()) ==
                static_cast<ssize_t>(sent.size()));
        other.reset();
        io.restart();
        io.run();
        return why;
    };
    using namespace std::literals;
    CHECK(why_of(""sv, {}).empty());
    CHECK(why_of("\2\0\0\0\0\0\0\0{}"sv, {}).empty());
    CHECK(why_of("\2\0\0\0\0\0\0\0[]"sv, {}) == "a message that is none");
    CHECK(why_of("\2\0\0\0\0\0\0\0{{"sv, {}) == "a message that is none");
    CHECK(why_of("\377\377\377\377\0\0\0\0"sv, {}) == "a message of more than it may have");
    CHECK(why_of("\2\0\0\0\3\0\0\0{}abc"sv, {.bytes = 2}) == "a message of more than it may have");
}

TEST_CASE("front: an invalid descriptor closes the connection without an exception") {
    boost::asio::io_context io;
    std::string why;
    Frames frames(
        io, Fd(), {}, [](const json&, const std::string&) {},
        [&](std::string said) { why = std::move(said); });
    io.run();
    CHECK(why == "Bad file descriptor");
    frames.send({{"ping", true}});
}

TEST_CASE("front: a client's descriptor is passed with SCM_RIGHTS") {
    std::array<int, 2> way{}, client{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, way.data()) == 0);
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client.data()) == 0);
    Fd ours(way[0]);
    const Fd its(way[1]), far(client[1]);
    CHECK_FALSE(receive_client(its.get()).value());
    Caller caller;
    caller.client = 9;
    caller.uid = 1000;
    REQUIRE(send_client(ours.get(), {Fd(client[0]), caller}));
    const auto got = receive_client(its.get());
    REQUIRE(got.value());
    CHECK((*got)->caller.client == 9);
    CHECK((*got)->caller.uid == 1000);
    REQUIRE(::write((*got)->socket.get(), "x", 1) == 1);
    char byte = 0;
    CHECK(::read(far.get(), &byte, 1) == 1);
    // Nobody reads: the sender gets an error and does not block.
    Status sent;
    for (int i = 0; sent && i < 10'000; ++i)
        sent = send_client(ours.get(), {Fd(::dup(far.get())), {}});
    REQUIRE_FALSE(sent);
    CHECK(sent.error().err == EAGAIN);
    ours.reset();
    while (receive_client(its.get())) {
    }
    CHECK(receive_client(its.get()).error().code == Code::not_found);
}
