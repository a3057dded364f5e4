// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "base/metrics_text.hpp"
#include "http/connection.hpp"

namespace ksms {
namespace {

constexpr std::array<const char*, static_cast<std::size_t>(HttpRejected::count_)> reasons{
    "too_many_connections", "too_large", "too_slow", "malformed", "not_taken"};

}  // namespace

HttpCore::HttpCore(boost::asio::io_context& context, JobService& service, HttpPage page,
                   const HttpLimits& given)
    : io(context),
      limits(given),
      book(limits),
      api(service, std::move(page), limits, [this] { return metrics(); }) {}

std::string HttpCore::metrics() const {
    MetricsText text;
    text.head("ksms_http_requests_total", "counter", "requests answered");
    for (const auto& [what, count] : figures.requests)
        text.value("ksms_http_requests_total",
                   fmt::format("method=\"{}\",code=\"{}\"", what.first, what.second), count);
    text.head("ksms_http_request_seconds", "histogram",
              "from a request's last byte to the answer's first");
    text.histogram("ksms_http_request_seconds", "", figures.request_seconds);
    text.head("ksms_http_rejected_total", "counter", "clients refused or disconnected");
    for (std::size_t i = 0; i < reasons.size(); ++i)
        text.value("ksms_http_rejected_total", fmt::format("reason=\"{}\"", reasons.at(i)),
                   figures.rejections.at(i));
    std::size_t loopback = 0;
    for (const auto& [id, connection] : connections) loopback += connection->is_anonymous() ? 1 : 0;
    text.head("ksms_http_connections", "gauge", "open connections");
    text.value("ksms_http_connections", "listener=\"socket\"", book.size() - loopback);
    text.value("ksms_http_connections", "listener=\"loopback\"", loopback);
    text.one("ksms_http_event_streams", "gauge", "of those, which wait for a job or its events",
             book.streams());
    text.one("ksms_http_pending_bytes", "gauge", "of answers that are not taken yet", book.bytes());
    text.one("ksms_http_accepted_total", "counter", "connections accepted", figures.accepted);
    return text.take();
}

}  // namespace ksms
