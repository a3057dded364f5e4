// SPDX-License-Identifier: BSD-2-Clause
#include <string>
#include <utility>

#include "http/connection.hpp"

namespace ksms {
namespace {

void add(std::string& text, const std::string& name, const char* type, const char* help,
         std::uint64_t value) {
    text += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n" + name + " " +
            std::to_string(value) + "\n";
}

}  // namespace

HttpCore::HttpCore(boost::asio::io_context& context, JobService& service, std::string page,
                   const HttpLimits& given)
    : io(context),
      limits(given),
      book(limits),
      api(service, std::move(page), limits, [this] { return metrics(); }) {}

void HttpCore::evict(ConnectionBook::Id id) {
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    ++figures.evicted;
    const auto connection = found->second;
    connection->close();
}

std::string HttpCore::metrics() const {
    std::string text;
    add(text, "ksms_http_connections", "gauge", "Clients that are connected.", book.size());
    add(text, "ksms_http_streams", "gauge", "Event streams and waits.", book.streams());
    add(text, "ksms_http_pending_bytes", "gauge", "Of answers that are not taken yet.",
        book.bytes());
    add(text, "ksms_http_accepted_total", "counter", "Connections accepted.", figures.accepted);
    add(text, "ksms_http_refused_total", "counter", "Connections turned away: too many.",
        figures.refused);
    add(text, "ksms_http_evicted_total", "counter", "Idle connections closed to make room.",
        figures.evicted);
    add(text, "ksms_http_timeouts_total", "counter", "Requests that did not come to an end.",
        figures.timed_out);
    add(text, "ksms_http_cut_off_total", "counter", "Clients that did not take their answer.",
        figures.cut_off);
    add(text, "ksms_http_accept_failures_total", "counter",
        "Tries to accept without descriptors or memory.", figures.accept_failures);
    text +=
        "# HELP ksms_http_answers_total Answers by class of status.\n"
        "# TYPE ksms_http_answers_total counter\n";
    for (std::size_t digit = 2; digit <= 5; ++digit)
        text += "ksms_http_answers_total{class=\"" + std::to_string(digit) + "xx\"} " +
                std::to_string(figures.answers.at(digit)) + "\n";
    return text;
}

}  // namespace ksms
