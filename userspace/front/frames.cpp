// SPDX-License-Identifier: BSD-2-Clause
#include "front/frames.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

namespace ksms {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

struct Frames::State : std::enable_shared_from_this<Frames::State> {
    using Sizes = std::array<std::uint32_t, 2>;

    State(asio::io_context& io, Limits given, Taken take, std::function<void(std::string)> at_end)
        : socket(io), limits(given), taken(std::move(take)), ended(std::move(at_end)) {}

    void read() {
        socket.async_read_some(asio::buffer(buffer),
                               [self = shared_from_this()](error_code failed, std::size_t got) {
                                   if (self->closed) return;
                                   if (failed == asio::error::eof) return self->end({});
                                   if (failed) return self->end(failed.message());
                                   self->text.append(self->buffer.data(), got);
                                   self->take();
                                   if (!self->closed) self->read();
                               });
    }

    /// Handles the complete messages in `text`.
    void take() {
        std::size_t at = 0;
        while (!closed && text.size() - at >= sizeof(Sizes)) {
            Sizes sizes;
            std::memcpy(sizes.data(), text.data() + at, sizeof sizes);
            const std::size_t head = sizes[0], bytes = sizes[1];
            if (head > limits.head || bytes > limits.bytes)
                return end("a message of more than it may have");
            if (text.size() - at < sizeof sizes + head + bytes) break;
            at += sizeof sizes;
            const auto first = text.begin() + static_cast<std::ptrdiff_t>(at);
            const auto parsed = nlohmann::json::parse(
                first, first + static_cast<std::ptrdiff_t>(head), nullptr, false);
            if (!parsed.is_object()) return end("a message that is none");
            at += head;
            taken(parsed, text.substr(at, bytes));
            at += bytes;
        }
        text.erase(0, at);
        give_back(text);
    }

    void send(const nlohmann::json& head, std::string bytes) {
        if (closed) return;
        const auto line = head.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        const Sizes sizes{static_cast<std::uint32_t>(line.size()),
                          static_cast<std::uint32_t>(bytes.size())};
        Message message{std::string(sizeof sizes, '\0') + line, std::move(bytes)};
        std::memcpy(message.head.data(), sizes.data(), sizeof sizes);
        pending += message.size();
        waiting.push_back(std::move(message));
        if (pending > limits.pending) return end("it does not take what it is told");
        if (leaving.empty()) write();
    }

    /// Sends several small messages together.
    void write() {
        std::vector<asio::const_buffer> buffers;
        std::size_t size = 0;
        while (!waiting.empty() && size < at_once) {
            size += waiting.front().size();
            leaving.push_back(std::move(waiting.front()));
            waiting.pop_front();
        }
        for (const auto& message : leaving) {
            buffers.push_back(asio::buffer(message.head));
            buffers.push_back(asio::buffer(message.bytes));
        }
        asio::async_write(socket, buffers,
                          [self = shared_from_this(), size](error_code failed, std::size_t) {
                              if (self->closed) return;
                              if (failed) return self->end(failed.message());
                              self->written(size);
                          });
    }

    void written(std::size_t size) {
        pending -= size;
        leaving.clear();
        if (!waiting.empty()) write();
        if (const auto then = on_taken) then();  // a copy, because the call may close this
    }

    /// Frees the memory that a large document has left in the buffer.
    static void give_back(std::string& buffer) {
        if (buffer.capacity() > kept && buffer.size() < kept) buffer.shrink_to_fit();
    }

    void end(std::string why) {
        close();
        if (auto then = std::exchange(ended, nullptr))
            asio::post(socket.get_executor(),
                       [self = shared_from_this(), then = std::move(then), why = std::move(why)] {
                           if (!self->silent) then(why);
                       });
    }

    void close() {
        if (std::exchange(closed, true)) return;
        error_code ignored;
        static_cast<void>(socket.close(ignored));
        on_taken = nullptr;
    }

    static constexpr std::size_t kept = 1024UL * 1024;
    static constexpr std::size_t at_once = 64UL * 1024;

    struct Message {
        std::string head, bytes;
        [[nodiscard]] std::size_t size() const { return head.size() + bytes.size(); }
    };

    stream_protocol::socket socket;
    Limits limits;
    Taken taken;
    std::function<void(std::string)> ended;
    std::array<char, 65536> buffer{};
    std::string text;              ///< received, incomplete
    std::vector<Message> leaving;  ///< being written,
    std::deque<Message> waiting;   ///< and queued after that
    std::size_t pending{0};        ///< bytes of both
    std::function<void()> on_taken;
    bool closed{false};
    bool silent{false};  ///< the owner is destroyed: do not call `ended`
};

Frames::Frames(asio::io_context& io, Fd socket, Limits limits, Taken taken,
               std::function<void(std::string)> ended)
    : state_(std::make_shared<State>(io, limits, std::move(taken), std::move(ended))) {
    error_code failed;
    static_cast<void>(state_->socket.assign(stream_protocol(), socket.get(), failed));
    if (failed) {
        state_->end(failed.message());
        return;
    }
    static_cast<void>(socket.release());
    state_->read();
}

Frames::~Frames() {
    close();
}

void Frames::send(const nlohmann::json& head, std::string bytes) {
    state_->send(head, std::move(bytes));
}

std::size_t Frames::pending() const {
    return state_->pending;
}

void Frames::on_taken(std::function<void()> then) {
    state_->on_taken = std::move(then);
}

void Frames::close() {
    state_->silent = true;
    state_->close();
}

}  // namespace ksms
