// SPDX-License-Identifier: BSD-2-Clause
// Parts without sockets: bodies, targets, headers, limits, events, background tasks.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/background.hpp"
#include "http/book.hpp"
#include "http/events.hpp"
#include "http/headers.hpp"
#include "http/json_body.hpp"
#include "http/query.hpp"
#include "http/target.hpp"

using namespace ksms;
using Catch::Contains;

namespace {

std::string refusal(const std::string& text) {
    const auto parsed = parse_json_body(text);
    return parsed ? "accepted" : parsed.error().detail;
}

HttpRequest request_with(HttpHeaders headers) {
    HttpRequest request;
    request.headers = std::move(headers);
    return request;
}

}  // namespace

TEST_CASE("JSON body: errors give the position") {
    CHECK(parse_json_body(R"({"source":"ä","n":[1,2.5,null,true]})"));
    CHECK(refusal("{}") == "accepted");
    CHECK_THAT(refusal(""), Contains("empty"));
    CHECK_THAT(refusal("[]"), Contains("not array"));
    CHECK_THAT(refusal("{\n  \"a\": 1,\n  \"b\": x}"), Contains("line 3, column 8"));
    CHECK_THAT(refusal(R"({"a":1,"b":2,"a":3})"), Contains("\"a\" is there twice"));
    CHECK_THAT(refusal(R"({"x":{"a":1,"a":3}})"), Contains("twice"));
    CHECK(refusal(R"({"x":{"a":1},"a":[{"a":2}]})") == "accepted");
    CHECK_THAT(refusal("{\"a\":\"\xff\"}"), Contains("line 1, column 7"));
    CHECK_THAT(refusal("{\"a\":\"\xc0\xaf\"}"), Contains("UTF-8"));
    CHECK_THAT(refusal("{\"a\":\"\xed\xa0\x80\"}"), Contains("UTF-8"));
    CHECK_THAT(refusal(R"({"a":"\ud800"})"), Contains("column"));
    CHECK_THAT(refusal(R"({"a":"b\u0000c"})"), Contains("NUL"));
    CHECK_THAT(refusal(std::string("{}\0 behind it", 12)), Contains("a NUL at line 1, column 3"));
    CHECK_THAT(refusal(R"({"a":1e999})"), Contains("out of range") || Contains("1e999"));
    CHECK_THAT(refusal("{} x"), Contains("column 4"));
    CHECK_THAT(refusal("\xef\xbb\xbf{"), Contains("column"));
}

TEST_CASE("JSON body: the nesting depth is limited before parsing") {
    const auto nested = [](std::size_t depth) {
        return R"({"a":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
    };
    CHECK(refusal(nested(deepest_json)) == "accepted");
    CHECK_THAT(refusal(nested(deepest_json + 1)), Contains("column 21"));
    CHECK_THAT(refusal(nested(500'000)), Contains("levels deep"));
    CHECK(refusal(R"({"a":"[[[[[[[[[[[[[[[[[[[[[[\"[[[["})") == "accepted");
}

TEST_CASE("JSON body: the number of values is limited before parsing") {
    const auto with = [](std::size_t values) {
        std::string text = R"({"a":[0)";
        for (std::size_t i = 3; i < values; ++i) text += ",0";
        return text + "]}";
    };
    CHECK(refusal(with(most_json_values)) == "accepted");
    CHECK_THAT(refusal(with(most_json_values + 1)), Contains("more than 4096 values at line 1"));
    CHECK(refusal(R"({"a":")" + std::string(100'000, ',') + "\"}") == "accepted");
}

TEST_CASE("target: paths and parameters are percent-decoded once and must be UTF-8") {
    const auto target = parse_target("/v1/jobs/a%2Bb?wait=1.5&x=%C3%A4&y");
    REQUIRE(target);
    CHECK(target->segments == std::vector<std::string>{"v1", "jobs", "a+b"});
    CHECK(*parameter(*target, "wait") == "1.5");
    CHECK(*parameter(*target, "x") == "ä");
    CHECK(parameter(*target, "y")->empty());
    CHECK(parse_target("http://[::1]:80/metrics")->authority == "[::1]:80");
    CHECK(parse_target("http://host")->path == "/");
    CHECK(parse_target("/%2e%2e/x")->segments.front() == "..");
    for (const auto* bad : {"", "x", "//%", "/%zz", "/%0a", "/%00", "/%ff", "/%c0%af", "/?a=%f5",
                            "host:1", "/a#b", "http://", "/%ed%a0%80"})
        CHECK_FALSE((parse_target(bad) && std::string(bad) != "//%"));
}

TEST_CASE("headers: ambiguous framing is refused (request smuggling)") {
    const auto status = [](const HttpRequest& request) {
        const auto problem = check_framing(request);
        return problem ? problem->status : 0;
    };
    CHECK(status(request_with({{"Host", "x"}, {"Content-Length", "3"}})) == 0);
    CHECK(status(request_with({{"Host", "x"}, {"Transfer-Encoding", "chunked"}})) == 0);
    CHECK(status(request_with({{"Content-Length", "3"}})) == 400);
    CHECK(status(request_with({{"Host", "x"}, {"host", "y"}})) == 400);
    CHECK(status(request_with({{"Host", "x"}, {"Content-Length", "3"}, {"content-length", "3"}})) ==
          400);
    CHECK(status(request_with(
              {{"Host", "x"}, {"Content-Length", "3"}, {"Transfer-Encoding", "chunked"}})) == 400);
    CHECK(status(request_with({{"Host", "x"}, {"Transfer-Encoding", "gzip, chunked"}})) == 501);
    CHECK(status(request_with({{"Host", "x"}, {"Transfer-Encoding", "xchunked"}})) == 501);
    CHECK(status(request_with({{"Host", "x"}, {"Expect", "miracles"}})) == 417);
}

TEST_CASE("headers: Content-Type and loopback names") {
    const auto type = [](const std::string& text) {
        return !check_json_type(request_with({{"Content-Type", text}}));
    };
    CHECK(type("application/json"));
    CHECK(type("application/JSON; charset=UTF-8"));
    CHECK_FALSE(type("application/x-www-form-urlencoded"));
    CHECK_FALSE(type("application/json; charset=latin1"));
    CHECK_FALSE(type("application/json-seq"));
    CHECK(check_json_type(request_with({})));
    CHECK(check_json_type(
        request_with({{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}})));

    for (const auto* yes : {"localhost", "LOCALHOST:9464", "127.0.0.1", "127.0.0.1:80", "[::1]:1"})
        CHECK(is_loopback_authority(yes));
    for (const auto* no : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil:80",
                           "localhost:80x", "[::2]", "127.0.0.2", "localhost:80@evil"})
        CHECK_FALSE(is_loopback_authority(no));
}

TEST_CASE("book: no few users can take all connections, and root has reserved ones") {
    HttpLimits limits;
    limits.connections = 40;
    limits.connections_per_uid = 16;
    limits.reserved_for_root = 1;
    ConnectionBook book(limits);
    const auto connect_all = [&](uid_t uid) {
        int count = 0;
        for (; book.may_connect(uid); ++count) book.add(uid);
        return count;
    };
    const auto first = book.add(1000);
    CHECK(connect_all(1000) == 15);
    book.remove(first);
    CHECK(connect_all(1000) == 1);
    CHECK(connect_all(1001) == 4);  // over half of the connections are in use
    for (uid_t uid = 1002; uid < 1012; ++uid) CHECK(connect_all(uid) == 2);
    CHECK(book.size() == 40);
    CHECK(connect_all(1012) == 0);
    CHECK(connect_all(0) == 1);
    book.remove(first + 1);
    CHECK(connect_all(1000) == 0);
}

TEST_CASE("book: streams and bytes are limited per user") {
    HttpLimits limits;
    limits.streams_per_uid = 1;
    limits.bytes = 1000;
    limits.bytes_per_uid = 100;
    ConnectionBook book(limits);
    const auto a = book.add(1000);
    const auto b = book.add(1000);
    const auto c = book.add(1001);
    CHECK(book.begin_stream(a));
    CHECK_FALSE(book.begin_stream(b));
    CHECK(book.begin_stream(c));
    book.holds(a, 100);
    CHECK_FALSE(book.has_room(b));
    CHECK(book.has_room(c));
    book.remove(a);
    CHECK(book.has_room(b));
    CHECK(book.begin_stream(b));
    CHECK(book.bytes() == 0);
}

TEST_CASE("events: text/event-stream is parsed byte by byte") {
    const std::string text = event_text({7, "verdict", R"({"a":1})"}) +
                             std::string(heartbeat_text) + event_text({8, "end", "1\r\n2"});
    CHECK(event_text({7, "verdict", "x"}) == "id: 7\nevent: verdict\ndata: x\n\n");
    EventReader reader;
    std::vector<JobEvent> events;
    for (const char byte : text)
        REQUIRE(reader.feed({&byte, 1}, [&](const JobEvent& e) { events.push_back(e); }));
    REQUIRE(events.size() == 2);
    CHECK(events[0].sequence == 7);
    CHECK(events[0].data == R"({"a":1})");
    CHECK(events[1].name == "end");
}

TEST_CASE("events: a queued progress event is replaced by the next one") {
    EventBuffer buffer;
    for (unsigned i = 0; i < 100; ++i) buffer.push({i, "verdict", "1"});
    const auto bytes = buffer.bytes();
    for (unsigned i = 100; i < 200; ++i) buffer.push({i, "progress", "1"});
    CHECK(buffer.bytes() == bytes + event_text({199, "progress", "1"}).size());
    while (!buffer.empty()) CHECK_FALSE(buffer.take(10).empty());
    CHECK(buffer.bytes() == 0);
    buffer.push({4, "end", "1"});
    CHECK(buffer.ended());
}

TEST_CASE("background: completions run on the io_context, none after destruction") {
    boost::asio::io_context io;
    int followed = 0;
    {
        Background background(io, "test");
        const auto wait = boost::asio::make_work_guard(io);
        background.run([] { return 41; }, [&](int value) { followed = value + 1; });
        io.run_one();
        CHECK(followed == 42);
        background.run([] { return 1; }, [&](int value) { followed = value; });
    }
    io.restart();
    io.run();
    CHECK(followed == 42);
}

TEST_CASE("background: exceptions of the task reach the caller") {
    boost::asio::io_context io;
    Background background(io, "test");
    background.run([]() -> int { throw std::runtime_error("there"); }, [](int) {});
    const auto wait = boost::asio::make_work_guard(io);
    CHECK_THROWS_WITH(io.run_one(), "there");
}
