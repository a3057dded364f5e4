// SPDX-License-Identifier: BSD-2-Clause
// One client: reads a request, has it answered, and again. Each step has a deadline.
//
//     learn_names -> next_request
//     next_request -> read_header -> [read_body] -> run -> answer -> next_request, or linger
//                                                    |-> wait_for_job -> ask -> answer
//                                                    `-> stream -> linger
//
// Between run (or ask) and what follows the service may take its time: it is waited for, not longer
// than limits.service.
//
// Reading is in connection.cpp, writing in connection_answer.cpp, what takes longer in
// connection_stream.cpp. Internal to the room: includes Boost.Beast.
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

/// What all connections of a server share.
struct HttpCore {
    HttpCore(boost::asio::io_context& context, JobService& service, HttpPage page,
             const HttpLimits& given);

    boost::asio::io_context& io;
    HttpLimits limits;
    ConnectionBook book;
    HttpFigures figures;
    std::unordered_map<ConnectionBook::Id, std::shared_ptr<Connection>> connections;
    bool stopping{false};
    std::function<void()> emptied;  ///< called when the last connection has gone
    HttpApi api;

    [[nodiscard]] std::string metrics() const;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using Error = boost::system::error_code;

    Connection(std::shared_ptr<HttpCore> core, Socket socket, Caller caller);

    void start();
    /// At once, without a word; a second time is nothing.
    void close();
    /// The server stops: what is being answered is answered, waits are over, streams end.
    void finish();
    /// It came over the loopback port.
    [[nodiscard]] bool is_anonymous() const { return caller_.anonymous; }

private:
    using Step = void (Connection::*)();
    using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

    /// Calls `then` unless something else is armed before.
    void arm(std::chrono::milliseconds after, Step then);
    void disarm();
    /// A handler that keeps this alive and does nothing once it is closed.
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
    /// A way for the service to reply to what is asked now, once; what comes later is void.
    HttpRespond reply();
    void replied(HttpReply reply);
    void service_timed_out();
    /// What is answered where the service has not answered in time.
    [[nodiscard]] static HttpResponse late();
    /// … and where answers that nobody takes fill the memory.
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
    std::uint64_t asked_number_{0};  ///< of what the service was last asked
    bool pending_{false};            ///< it has not replied yet

    std::string head_;
    std::string body_;
    std::size_t written_{0};
    std::chrono::steady_clock::time_point answer_until_;
    std::optional<std::chrono::steady_clock::time_point> asked_;  ///< its request was whole
    bool close_after_{false};
    bool writing_{false};
    Step after_write_{nullptr};
    std::size_t drained_{0};

    Subscription subscription_;
    std::string waits_for_;  ///< the job's id
    std::optional<EventBuffer> events_;
    bool replaying_{false};
    bool woken_{false};  ///< write_events() is on its way
    bool hangup_is_watched_{false};
};

template <typename F>
auto Connection::guarded(F handler) {
    return [self = shared_from_this(), handler = std::move(handler)](auto&&... arguments) {
        if (!self->closed_) handler(std::forward<decltype(arguments)>(arguments)...);
    };
}

}  // namespace ksms
