// SPDX-License-Identifier: BSD-2-Clause
// Writes answers and closes connections.
#include <fmt/chrono.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <ctime>
#include <utility>

#include "http/connection.hpp"
#include "http/problem.hpp"

namespace ksms {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_drained = 4 * 1024 * 1024;

/// IMF-fixdate (RFC 9110, section 5.6.7).
std::string date_text() {
    return fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(std::time(nullptr)));
}

void add(std::string& text, std::string_view name, std::string_view value) {
    text += name;
    text += ": ";
    text += value;
    text += "\r\n";
}

std::string header_text(const HttpResponse& response, bool has_length, bool close) {
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       reason_phrase(response.status) + "\r\n";
    add(text, "Date", date_text());
    if (!response.content_type.empty()) add(text, "Content-Type", response.content_type);
    if (has_length) add(text, "Content-Length", std::to_string(response.body.size()));
    add(text, "Connection", close ? "close" : "keep-alive");
    add(text, "Cache-Control", "no-store");
    add(text, "X-Content-Type-Options", "nosniff");
    add(text, "Referrer-Policy", "no-referrer");
    bool has_policy = false;
    for (const auto& [name, value] : response.headers) {
        add(text, name, value);
        has_policy = has_policy || name == "Content-Security-Policy";
    }
    if (!has_policy)
        add(text, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    return text + "\r\n";
}

}  // namespace

void Connection::answer(HttpResponse response, bool close_after) {
    count_answer(response.status);
    close_after_ = close_after || !keep_alive_ || core_->stopping;
    // An answer to HEAD of an event stream, and 204, have no Content-Length.
    const bool has_length = response.status != 204 && response.content_type != "text/event-stream";
    head_ = header_text(response, has_length, close_after_);
    body_ = head_only_ ? std::string() : std::move(response.body);
    answer_until_ = std::chrono::steady_clock::now() + core_->limits.answer;
    send(&Connection::answered);
}

void Connection::count_answer(int status) {
    core_->figures.answered(request_.method, status);
    if (const auto asked = std::exchange(asked_, std::nullopt))
        core_->figures.request_seconds.add(
            std::chrono::duration<double>(std::chrono::steady_clock::now() - *asked).count());
}

/// Counts a request that did not reach the API.
void Connection::count_rejection(int status) {
    const bool large = status == 413 || status == 414 || status == 431;
    if (large)
        ++core_->figures.rejected(HttpRejected::too_large);
    else if (status == 408)
        ++core_->figures.rejected(HttpRejected::too_slow);
    else if (status == 400 || status == 501 || status == 505)
        ++core_->figures.rejected(HttpRejected::malformed);
}

void Connection::send(Step then) {
    after_write_ = then;
    written_ = 0;
    writing_ = true;
    core_->book.holds(id_, head_.size() + body_.size() + (events_ ? events_->bytes() : 0));
    write_some();
}

void Connection::write_some() {
    const auto total = head_.size() + body_.size();
    if (written_ == total) {
        writing_ = false;
        disarm();
        head_ = {};
        body_ = {};
        core_->book.holds(id_, events_ ? events_->bytes() : 0);
        return (this->*after_write_)();
    }
    if (!events_ && std::chrono::steady_clock::now() >= answer_until_) return write_timed_out();
    arm(core_->limits.write, &Connection::write_timed_out);
    const auto of_head = std::min(written_, head_.size());
    const std::array<asio::const_buffer, 2> rest{asio::buffer(head_) + of_head,
                                                 asio::buffer(body_) + (written_ - of_head)};
    socket_.async_write_some(rest, guarded([this](const Error& error, std::size_t bytes) {
                                 if (error) return close();
                                 written_ += bytes;
                                 write_some();
                             }));
}

void Connection::write_timed_out() {
    ++core_->figures.rejected(HttpRejected::not_taken);
    close();
}

void Connection::answered() {
    if (close_after_) return linger();
    next_request();
}

/// Lingering close (RFC 9112, section 9.6): a close while the client still sends would reset the
/// connection, and the client could lose the answer. Shuts down sending and discards input for a
/// while.
void Connection::linger() {
    boost::system::error_code error;
    static_cast<void>(socket_.shutdown(Socket::shutdown_send, error));
    if (error || core_->stopping) return close();
    parser_.reset();
    buffer_.clear();
    drained_ = 0;
    arm(core_->limits.linger, &Connection::close);
    drain();
}

void Connection::drain() {
    buffer_.clear();
    socket_.async_read_some(buffer_.prepare(4096),
                            guarded([this](const Error& error, std::size_t bytes) {
                                drained_ += bytes;
                                if (error || drained_ > most_drained) return close();
                                drain();
                            }));
}

}  // namespace ksms
