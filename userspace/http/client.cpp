// SPDX-License-Identifier: BSD-2-Clause
#include "http/client.hpp"

#include <array>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "http/events.hpp"
#include "http/wire.hpp"

namespace ksms {

namespace beast = boost::beast;

namespace {

using Parser = beast::http::response_parser<beast::http::string_body>;
constexpr std::size_t piece = 64 * 1024;

std::string request_text(const std::string& method, const std::string& target,
                         const std::string& body, std::uint64_t after) {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: ksmsd\r\nConnection: close\r\n";
    if (after > 0) text += "Last-Event-ID: " + std::to_string(after) + "\r\n";
    if (!body.empty())
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n";
    return text + "\r\n" + body;
}

std::unexpected<Error> no_answer(const std::string& why) {
    return fail(Code::failed, "the answer of ksmsd cannot be read: " + why);
}

HttpResponse response_of(const Parser::value_type& message) {
    HttpResponse response;
    response.status = static_cast<int>(message.result_int());
    for (const auto& field : message)
        response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    response.content_type = std::string(message[beast::http::field::content_type]);
    response.body = message.body();
    return response;
}

/// An answer on its way in.
class Incoming {
public:
    Incoming(Wire& wire, std::size_t most) : wire_(wire) { parser_.body_limit(most); }

    void no_body() { parser_.skip(true); }

    /// Until the header is complete, or with `all` the body too.
    Status read(bool all, Wire::Clock::time_point until) {
        parser_.eager(all);
        while (true) {
            boost::system::error_code error;
            if (buffer_.size() > 0) {
                buffer_.consume(parser_.put(buffer_.data(), error));
                if (error && error != beast::http::error::need_more)
                    return no_answer(error.message());
            }
            if (all ? parser_.is_done() : parser_.is_header_done()) return {};
            KSMS_TRY(const auto got, more(until));
            if (got > 0) continue;
            if (!parser_.got_some())
                return fail(Code::failed, "ksmsd closed the connection without an answer",
                            "ask again; or it ended: systemctl status ksmsd");
            parser_.put_eof(error);
            if (error || !parser_.is_done()) return no_answer("it ends in the middle");
        }
    }

    Result<std::size_t> more(Wire::Clock::time_point until) {
        const auto space = buffer_.prepare(piece);
        KSMS_TRY(const auto got, wire_.read(static_cast<char*>(space.data()), piece, until));
        buffer_.commit(got);
        return got;
    }

    /// What is read and not parsed, once.
    std::string rest() {
        std::string text(static_cast<const char*>(buffer_.data().data()), buffer_.size());
        buffer_.clear();
        return text;
    }
    [[nodiscard]] const Parser::value_type& message() const { return parser_.get(); }

private:
    Wire& wire_;
    Parser parser_;
    beast::flat_buffer buffer_;
};

}  // namespace

Result<HttpResponse> HttpClient::request(const std::string& method, const std::string& target,
                                         const std::string& body) const {
    KSMS_TRY(auto wire, Wire::connect(path_, options_.connect, options_.stopped));
    const auto until = Wire::Clock::now() + options_.answer;
    KSMS_CHECK(wire.write(request_text(method, target, body, 0), until));
    Incoming incoming(wire, options_.body);
    if (method == "HEAD") incoming.no_body();
    KSMS_CHECK(incoming.read(true, until));
    return response_of(incoming.message());
}

Result<HttpResponse> HttpClient::events(const std::string& target, std::uint64_t after,
                                        const std::function<bool(const JobEvent&)>& event) const {
    KSMS_TRY(auto wire, Wire::connect(path_, options_.connect, options_.stopped));
    const auto until = Wire::Clock::now() + options_.answer;
    KSMS_CHECK(wire.write(request_text("GET", target, {}, after), until));
    Incoming incoming(wire, options_.body);
    KSMS_CHECK(incoming.read(false, until));
    auto response = response_of(incoming.message());
    if (response.status != 200 || response.content_type != "text/event-stream") {
        KSMS_CHECK(incoming.read(true, until));
        return response_of(incoming.message());
    }
    EventReader reader;
    bool over = false;
    const auto see = [&](const JobEvent& one) {
        if (!over) over = !event(one) || one.name == "end";
    };
    while (true) {
        if (!reader.feed(incoming.rest(), see)) return no_answer("an event is too long");
        if (over) return response;
        KSMS_TRY(const auto got, incoming.more(Wire::Clock::now() + options_.silence));
        if (got == 0)
            return fail(Code::failed, "ksmsd ended the stream of events before the job's end",
                        "watch it again; or it was stopped: systemctl status ksmsd");
    }
}

Error HttpClient::error_of(const HttpResponse& response) {
    Error error;
    switch (response.status) {
        case 400:
        case 409:
        case 413: error.code = Code::usage; break;
        case 403: error.code = Code::not_allowed; break;
        case 404: error.code = Code::not_found; break;
        default: error.code = Code::failed;
    }
    const auto body = nlohmann::json::parse(response.body, nullptr, false);
    const auto text = [&](const char* key) {
        const bool there = body.is_object() && body.contains(key) && body[key].is_string();
        return there ? body[key].get<std::string>() : std::string();
    };
    error.message = text("detail").empty() ? text("title") : text("detail");
    if (error.message.empty()) error.message = "ksmsd answered " + std::to_string(response.status);
    error.hint = text("hint");
    return error;
}

}  // namespace ksms
