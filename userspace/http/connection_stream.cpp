// SPDX-License-Identifier: BSD-2-Clause
// Long requests: waiting for a job, and event streams.
#include <boost/asio/post.hpp>
#include <utility>

#include "http/connection.hpp"
#include "http/problem.hpp"

namespace ksms {

namespace asio = boost::asio;

namespace {

constexpr std::size_t piece = 64 * 1024;

Problem too_many_streams(const HttpLimits& limits) {
    return not_now(1,
                   "more than " + std::to_string(limits.streams_per_uid) +
                       " waits and streams of events of one user",
                   "end some of them");
}

}  // namespace

bool Connection::begin_stream() {
    if (core_->book.begin_stream(id_)) return true;
    answer(response_of(too_many_streams(core_->limits)));
    return false;
}

/// Notices that a client has disconnected although nothing is written to it.
void Connection::watch_for_hangup() {
    if (std::exchange(hangup_is_watched_, true)) return;
    socket_.async_wait(Socket::wait_error, guarded([this](const Error& error) {
                           if (!error) close();
                       }));
}

void Connection::wait_for_job(const WaitForJob& wait) {
    if (!begin_stream()) return;
    waits_for_ = wait.id;
    arm(wait.longest, &Connection::wait_is_over);
    watch_for_hangup();
    const auto listener = [weak = weak_from_this()](const JobEvent& event) {
        const auto self = weak.lock();
        if (!self || event.name != "end") return;
        // Not from inside a call of the service.
        asio::post(self->core_->io, self->guarded([raw = self.get()] { raw->wait_is_over(); }));
    };
    core_->api.service().watch(caller_, wait.id, 0, listener,
                               guarded([this](Answer<Subscription> subscription) {
                                   if (waits_for_.empty()) return;  // it has timed out
                                   if (subscription) {
                                       subscription_ = std::move(*subscription);
                                       return;
                                   }
                                   waits_for_.clear();
                                   disarm();
                                   core_->book.end_stream(id_);
                                   answer(response_of(subscription.error()));
                               }));
}

void Connection::wait_is_over() {
    if (waits_for_.empty()) return;
    const auto id = std::exchange(waits_for_, {});
    disarm();
    subscription_.reset();
    core_->book.end_stream(id_);
    core_->api.job(caller_, id, reply());
}

void Connection::stream(const StreamEvents& wanted) {
    if (!begin_stream()) return;
    events_.emplace();
    replaying_ = true;
    arm(core_->limits.service, &Connection::stream_timed_out);
    watch_for_hangup();
    const auto listener = [weak = weak_from_this()](const JobEvent& event) {
        const auto self = weak.lock();
        if (self && !self->closed_ && self->events_) self->event(event);
    };
    core_->api.service().watch(
        caller_, wanted.id, wanted.after, listener,
        guarded([this, number = ++asked_number_](Answer<Subscription> subscription) {
            if (events_ && number == asked_number_) begin_events(std::move(subscription));
        }));
}

void Connection::stream_timed_out() {
    events_.reset();
    core_->book.end_stream(id_);
    answer(late());
}

void Connection::begin_events(Answer<Subscription> subscription) {
    disarm();
    replaying_ = false;
    if (!subscription || !core_->book.has_room(id_)) {
        events_.reset();
        core_->book.end_stream(id_);
        return answer(subscription ? no_room() : response_of(subscription.error()));
    }
    subscription_ = std::move(*subscription);
    count_answer(200);
    head_ =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
    watch_for_hangup();
    send(&Connection::write_events);
}

void Connection::event(const JobEvent& event) {
    events_->push(event);
    if (std::exchange(woken_, true)) return;
    asio::post(core_->io, guarded([this] {
                   woken_ = false;
                   if (!events_ || replaying_) return;  // begin_events() sends the header first
                   core_->book.holds(id_, head_.size() + body_.size() + events_->bytes());
                   if (writing_ && !core_->book.has_room(id_)) return write_timed_out();
                   if (!writing_) write_events();
               }));
}

void Connection::write_events() {
    body_ = events_->take(piece);
    if (!body_.empty()) return send(&Connection::write_events);
    if (!events_->ended()) return arm(core_->limits.heartbeat, &Connection::heartbeat);
    subscription_.reset();
    core_->book.end_stream(id_);
    linger();
}

void Connection::heartbeat() {
    body_ = heartbeat_text;
    send(&Connection::write_events);
}

}  // namespace ksms
