// SPDX-License-Identifier: BSD-2-Clause
// Accepts clients, and asks the kernel who they are.
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
    /// @param io     outlives this; everything happens on the one thread that runs it
    /// @param peers  outlives this
    /// @param pause  where descriptors or memory ran out
    /// @param taken  is given each client: a socket that does not block, and who it is
    HttpListener(boost::asio::io_context& io, PeerNames& peers, std::chrono::milliseconds pause,
                 std::function<void(Fd, Caller)> taken);
    HttpListener(const HttpListener&) = delete;
    HttpListener& operator=(const HttpListener&) = delete;
    ~HttpListener();

    /// Accepts on a socket that listens already: a Unix socket, whose clients are known by their
    /// credentials, or TCP on a loopback address, whose clients are nobody. Any other is refused.
    /// The file of a Unix socket stays the caller's.
    [[nodiscard]] Status listen(Fd socket);

    /// Nobody is accepted until it is called with `true` again; who comes waits in the queue of the
    /// socket.
    void accept_more(bool more);
    /// Closes the sockets.
    void stop();
    /// Tries to accept without descriptors or memory.
    [[nodiscard]] std::uint64_t failures() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
