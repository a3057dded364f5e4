// SPDX-License-Identifier: BSD-2-Clause
// Messages over a stream socket between two processes of ours: a head in JSON, and bytes behind it
// that are nobody's business on the way (a document, a request's body).
//
//     u32 bytes of the head, u32 bytes behind it (both in this machine's order), head, bytes
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
        std::size_t head{64 * 1024};             ///< bytes, of a message that comes
        std::size_t bytes{2 * 1024 * 1024};      ///< … behind its head
        std::size_t pending{512 * 1024 * 1024};  ///< of what the other side has not taken yet
    };

    /// @param io      outlives this; everything happens on the one thread that runs it
    /// @param socket  a Unix stream socket
    /// @param taken   is given each message; not from inside of send(), and not once this is closed
    /// @param ended   called once, by the io_context, where the other side has ended, breaks the
    ///                limits, or says what is no message; with why, "" for the first. Not after
    ///                close().
    Frames(boost::asio::io_context& io, Fd socket, Limits limits, Taken taken,
           std::function<void(std::string why)> ended);
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;
    ~Frames();

    /// Queues a message; never blocks.
    void send(const nlohmann::json& head, std::string bytes = {});
    /// Bytes that the other side has not taken yet.
    [[nodiscard]] std::size_t pending() const;
    /// Calls this whenever it has taken some. Not from inside of send().
    void on_taken(std::function<void()> then);
    void close();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
