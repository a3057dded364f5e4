// SPDX-License-Identifier: BSD-2-Clause
// Accepts clients and asks the kernel for their credentials.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "http/peer.hpp"
#include "http/service.hpp"

namespace boost::asio {
class io_context;
}

namespace ksms {

class HttpListener {
public:
    /// @param io     outlives this; all callbacks run on its thread
    /// @param peers  outlives this
    /// @param pause  after a lack of descriptors or memory
    /// @param taken  gets each client: its non-blocking socket and the caller
    HttpListener(boost::asio::io_context& io, PeerNames& peers, std::chrono::milliseconds pause,
                 std::function<void(Fd, Caller)> taken);
    HttpListener(const HttpListener&) = delete;
    HttpListener& operator=(const HttpListener&) = delete;
    ~HttpListener();

    /// Accepts on a listening socket: a Unix socket, whose clients have credentials, or TCP on a
    /// loopback address, whose clients are anonymous. Refuses any other. Does not remove the file
    /// of a Unix socket.
    [[nodiscard]] Status listen(Fd socket);

    /// @param more  false: stop accepting; clients wait in the queue of the socket. true: accept
    ///              again.
    void accept_more(bool more);
    /// Closes the sockets.
    void stop();
    /// Calls of accept(2) that failed for lack of descriptors or memory.
    [[nodiscard]] std::uint64_t failures() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
