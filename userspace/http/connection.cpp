// SPDX-License-Identifier: BSD-2-Clause
// Reads requests. Sources: RFC 9112; Boost.Beast 1.74.
#include "http/connection.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <exception>
#include <utility>

#include "http/headers.hpp"
#include "http/problem.hpp"

namespace ksms {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;

namespace {

/// Read-ahead buffer behind the header limit.
constexpr std::size_t buffer_slack = 48 * 1024;

bool is_http_error(const boost::system::error_code& error) {
    return error.category() ==
           beast_http::make_error_code(beast_http::error::end_of_stream).category();
}

Problem problem_of(const boost::system::error_code& error, bool in_body, bool has_line,
                   const HttpLimits& limits) {
    if (error == beast_http::error::body_limit)
        return make_problem(413,
                            "the body is longer than " + std::to_string(limits.body) + " bytes");
    if (!in_body && !has_line &&
        (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow))
        return make_problem(414, "the target of the request is too long");
    if (!in_body &&
        (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow))
        return make_problem(431, "request line and headers are longer than " +
                                     std::to_string(limits.header) + " bytes");
    if (error == beast_http::error::bad_version)
        return make_problem(505, "HTTP/1.1 and HTTP/1.0 are spoken here");
    if (error == beast_http::error::partial_message)
        return make_problem(400, "the request ends in the middle");
    return make_problem(400, "this is no request of HTTP/1.1: " + error.message());
}

}  // namespace

Connection::Connection(std::shared_ptr<HttpCore> core, Socket socket, Caller caller)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      caller_(std::move(caller)),
      id_(core_->book.add(caller_.uid)),
      timer_(core_->io),
      buffer_(core_->limits.header + buffer_slack) {}

void Connection::start() {
    core_->connections.emplace(id_, shared_from_this());
    if (caller_.anonymous || caller_.trusted) return begin();
    learn_names();
}

/// If the user database does not answer in time, the caller has no name, and is a member of the
/// group only if the kernel says so.
void Connection::learn_names() {
    arm(core_->limits.names, &Connection::begin);
    core_->api.service().names(caller_, guarded([this](Answer<CallerNames> names) {
                                   if (begun_ || !names) return;
                                   caller_.user = names->user;
                                   caller_.may_submit |= names->member;
                                   begin();
                               }));
}

void Connection::begin() {
    begun_ = true;
    next_request();
}

void Connection::close() {
    if (std::exchange(closed_, true)) return;
    const auto self = shared_from_this();
    disarm();
    subscription_.reset();
    boost::system::error_code ignored;
    static_cast<void>(socket_.close(ignored));
    core_->book.remove(id_);
    core_->connections.erase(id_);
    core_->api.service().gone(caller_);
    if (!core_->connections.empty()) return;
    if (const auto emptied = core_->emptied) emptied();  // a copy, because the call resets it
}

void Connection::finish() {
    keep_alive_ = false;
    close_after_ = true;
    if (!waits_for_.empty())
        wait_is_over();
    else if (events_ || (!writing_ && !pending_))
        close();
}

void Connection::arm(std::chrono::milliseconds after, Step then) {
    timer_.expires_after(after);
    timer_.async_wait(
        [weak = weak_from_this(), then, armed = ++armed_](const boost::system::error_code& error) {
            const auto self = weak.lock();
            // An expired timer cannot be cancelled any more. The number tells whether this one
            // still counts.
            if (error || !self || self->closed_ || self->armed_ != armed) return;
            ((*self).*then)();
        });
}

void Connection::disarm() {
    ++armed_;
    timer_.cancel();
}

void Connection::next_request() {
    parser_.reset();
    admitted_.reset();
    request_ = {};
    head_only_ = false;
    if (buffer_.size() > 0) return read_header();
    buffer_.clear();
    buffer_.shrink_to_fit();
    arm(core_->limits.idle, &Connection::close);
    socket_.async_wait(Socket::wait_read, guarded([this](const Error& error) {
                           if (error) return close();
                           read_header();
                       }));
}

void Connection::read_header() {
    keep_alive_ = false;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(core_->limits.header));
    parser_->body_limit(core_->limits.body);
    arm(core_->limits.request, &Connection::request_timed_out);
    beast_http::async_read_header(
        socket_, buffer_, *parser_,
        guarded([this](const Error& error, std::size_t /*bytes*/) { header_is_read(error); }));
}

void Connection::take_header() {
    const auto& message = parser_->get();
    request_.method = std::string(message.method_string());
    request_.target = std::string(message.target());
    request_.version = message.version();
    for (const auto& field : message)
        request_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    head_only_ = request_.method == "HEAD";
    keep_alive_ = message.keep_alive();
}

void Connection::header_is_read(Error error) {
    if (error) return read_failed(error, false);
    take_header();
    auto admitted = core_->api.admit(caller_, request_);
    // If the end of the request is unclear, the rest of the connection is not read.
    if (!admitted) {
        const int status = admitted.error().status;
        const bool unclear = !parser_->is_done() || status == 400 || status == 501;
        count_rejection(status);
        return answer(std::move(admitted).error(), unclear);
    }
    admitted_ = std::move(*admitted);
    if (parser_->is_done()) return run();
    if (request_.header("Expect") != nullptr && request_.version >= 11) return say_continue();
    read_body();
}

void Connection::say_continue() {
    static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(socket_, asio::buffer(text),
                      guarded([this](const Error& error, std::size_t /*bytes*/) {
                          if (error) return close();
                          read_body();
                      }));
}

void Connection::read_body() {
    beast_http::async_read(
        socket_, buffer_, *parser_,
        guarded([this](const Error& error, std::size_t /*bytes*/) { body_is_read(error); }));
}

void Connection::body_is_read(Error error) {
    if (error) return read_failed(error, true);
    request_.body = std::move(parser_->get().body());
    run();
}

void Connection::request_timed_out() {
    timed_out_ = true;
    boost::system::error_code ignored;
    static_cast<void>(socket_.cancel(ignored));
}

void Connection::read_failed(Error error, bool in_body) {
    if (timed_out_) {
        count_rejection(408);
        return answer(response_of(make_problem(408, "the request did not come to its end in time")),
                      true);
    }
    if (error == beast_http::error::end_of_stream || !is_http_error(error)) return close();
    const bool has_line = !parser_->get().target().empty();
    const auto problem = problem_of(error, in_body, has_line, core_->limits);
    count_rejection(problem.status);
    answer(response_of(problem), true);
}

void Connection::run() {
    disarm();
    asked_ = std::chrono::steady_clock::now();
    if (!core_->book.has_room(id_)) return answer(no_room());
    const auto respond = reply();
    try {
        core_->api.run(caller_, request_, *admitted_, respond);
    } catch (const std::exception& error) {
        respond(response_of(make_problem(500, std::string("the service failed: ") + error.what())));
    }
    request_.body = {};
}

HttpRespond Connection::reply() {
    pending_ = true;
    arm(core_->limits.service, &Connection::service_timed_out);
    return guarded([this, number = ++asked_number_](HttpReply reply) {
        if (pending_ && number == asked_number_) replied(std::move(reply));
    });
}

void Connection::replied(HttpReply reply) {
    pending_ = false;
    disarm();
    if (!std::holds_alternative<HttpResponse>(reply))
        asked_.reset();  // waits do not count as latency
    if (auto* wait = std::get_if<WaitForJob>(&reply)) return wait_for_job(*wait);
    if (auto* wanted = std::get_if<StreamEvents>(&reply)) return stream(*wanted);
    // The memory may have been used up since the request.
    answer(core_->book.has_room(id_) ? std::move(std::get<HttpResponse>(reply)) : no_room());
}

HttpResponse Connection::late() {
    return response_of(not_now(5, "the service has not answered in time",
                               "ask again later; `ksmsctl doctor` and /healthz may say why"));
}

HttpResponse Connection::no_room() {
    return response_of(
        not_now(1, "unread answers fill the memory for answers", "read them, or ask again later"));
}

void Connection::service_timed_out() {
    replied(late());
}

}  // namespace ksms
