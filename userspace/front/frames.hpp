// SPDX-License-Identifier: BSD-2-Clause
// Messages over a stream socket between two ksms processes: a head in JSON, followed by opaque
// bytes (a document, the body of a request).
//
//     u32 size of the head, u32 size of the bytes (host byte order), head, bytes
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/fd.hpp"

namespace ksms {

class Frames {
public:
    using Taken = std::function<void(const nlohmann::json& head, std::string bytes)>;

    struct Limits {
        std::size_t head{64 * 1024};             ///< bytes of a received message
        std::size_t bytes{2 * 1024 * 1024};      ///< … after its head
        std::size_t pending{512 * 1024 * 1024};  ///< bytes queued for the other side
    };

    /// @param io      outlives this; all callbacks run on its thread
    /// @param socket  a Unix stream socket
    /// @param taken   gets each message; not called inside send() or after close()
    /// @param ended   called once on the io_context if the other side has ended ("" as cause),
    ///                exceeds the limits or sends an invalid message. Not called after close().
    Frames(boost::asio::io_context& io, Fd socket, Limits limits, Taken taken,
           std::function<void(std::string why)> ended);
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;
    ~Frames();

    /// Queues a message; never blocks.
    void send(const nlohmann::json& head, std::string bytes = {});
    /// Bytes that are not written to the socket yet.
    [[nodiscard]] std::size_t pending() const;
    /// Sets a function that is called after bytes were written. Not called inside send().
    void on_taken(std::function<void()> then);
    void close();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
