// SPDX-License-Identifier: BSD-2-Clause
// One client connection: reads requests and writes their answers. Each step has a deadline.
//
//     learn_names -> next_request
//     next_request -> read_header -> [read_body] -> run -> answer -> next_request, or linger
//                                                    |-> wait_for_job -> ask -> answer
//                                                    `-> stream -> linger
//
// After run and ask the connection waits for the service, at most limits.service.
//
// connection.cpp reads, connection_answer.cpp writes, connection_stream.cpp has waits and event
// streams. Internal to the room: includes Boost.Beast.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "http/api.hpp"
#include "http/book.hpp"
#include "http/events.hpp"
#include "http/figures.hpp"
#include "http/limits.hpp"
#include "http/service.hpp"

namespace ksms {

class Connection;

/// State shared by all connections of a server.
struct HttpCore {
    HttpCore(boost::asio::io_context& context, JobService& service, HttpPage page,
             const HttpLimits& given);

    boost::asio::io_context& io;
    HttpLimits limits;
    ConnectionBook book;
    HttpFigures figures;
    std::unordered_map<ConnectionBook::Id, std::shared_ptr<Connection>> connections;
    bool stopping{false};
    std::function<void()> emptied;  ///< called when the last connection is closed
    HttpApi api;

    [[nodiscard]] std::string metrics() const;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using Error = boost::system::error_code;

    Connection(std::shared_ptr<HttpCore> core, Socket socket, Caller caller);

    void start();
    /// Closes at once without an answer. Idempotent.
    void close();
    /// Ends the connection because the server stops: finishes the present answer, ends waits and
    /// streams.
    void finish();
    /// Whether it came over the loopback port.
    [[nodiscard]] bool is_anonymous() const { return caller_.anonymous; }

private:
    using Step = void (Connection::*)();
    using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

    /// Calls `then` after this time, unless the timer is armed again or disarmed.
    void arm(std::chrono::milliseconds after, Step then);
    void disarm();
    /// Wraps a handler: it keeps this object alive and does nothing once the connection is closed.
    template <typename F>
    auto guarded(F handler);

    void learn_names();
    void begin();
    void next_request();
    void read_header();
    void header_is_read(Error error);
    void take_header();
    void say_continue();
    void read_body();
    void body_is_read(Error error);
    void request_timed_out();
    void read_failed(Error error, bool in_body);
    void run();
    /// @return a function for the service's reply to the present request. Late and repeated replies
    /// are ignored.
    HttpRespond reply();
    void replied(HttpReply reply);
    void service_timed_out();
    /// The answer if the service did not reply in time.
    [[nodiscard]] static HttpResponse late();
    /// The answer if unread answers fill the memory.
    [[nodiscard]] static HttpResponse no_room();

    void answer(HttpResponse response, bool close_after = false);
    void count_answer(int status);
    void count_rejection(int status);
    void send(Step then);
    void write_some();
    void write_timed_out();
    void answered();
    void linger();
    void drain();

    void wait_for_job(const WaitForJob& wait);
    void wait_is_over();
    void stream(const StreamEvents& wanted);
    void stream_timed_out();
    void begin_events(Answer<Subscription> subscription);
    void event(const JobEvent& event);
    void write_events();
    void heartbeat();
    void watch_for_hangup();
    [[nodiscard]] bool begin_stream();

    std::shared_ptr<HttpCore> core_;
    Socket socket_;
    Caller caller_;
    ConnectionBook::Id id_;
    boost::asio::steady_timer timer_;
    std::uint64_t armed_{0};
    bool closed_{false};
    bool begun_{false};

    boost::beast::flat_buffer buffer_;
    std::optional<Parser> parser_;
    HttpRequest request_;
    std::optional<Admitted> admitted_;
    bool keep_alive_{false};
    bool head_only_{false};
    bool timed_out_{false};
    std::uint64_t asked_number_{0};  ///< number of the last request to the service
    bool pending_{false};            ///< the service has not replied yet

    std::string head_;
    std::string body_;
    std::size_t written_{0};
    std::chrono::steady_clock::time_point answer_until_;
    std::optional<std::chrono::steady_clock::time_point> asked_;  ///< when its request was complete
    bool close_after_{false};
    bool writing_{false};
    Step after_write_{nullptr};
    std::size_t drained_{0};

    Subscription subscription_;
    std::string waits_for_;  ///< the job's id
    std::optional<EventBuffer> events_;
    bool replaying_{false};
    bool woken_{false};  ///< write_events() is scheduled
    bool hangup_is_watched_{false};
};

template <typename F>
auto Connection::guarded(F handler) {
    return [self = shared_from_this(), handler = std::move(handler)](auto&&... arguments) {
        if (!self->closed_) handler(std::forward<decltype(arguments)>(arguments)...);
    };
}

}  // namespace ksms
