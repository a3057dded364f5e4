// SPDX-License-Identifier: BSD-2-Clause
// ksmsd's side of the HTTP process, which speaks HTTP and has no privileges. ksmsd accepts clients,
// asks the kernel for their credentials and passes them to the process; their requests come back as
// messages. A process that dies, breaks the protocol or does not answer is restarted. Its clients
// lose their connections, nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "http/message.hpp"
#include "http/peer.hpp"
#include "http/service.hpp"

namespace ksms {

class Front {
public:
    struct Figures {
        std::uint64_t accept_failures{0};  ///< no descriptors, no memory
        std::uint64_t restarts{0};
    };

    /// @param io       outlives this; all callbacks run on its thread
    /// @param service  outlives this
    /// @param peers    outlives this
    /// @param say      logs that the process ended, and why
    Front(boost::asio::io_context& io, JobService& service, PeerNames& peers,
          std::function<void(const std::string&)> say);
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;
    /// Kills the process.
    ~Front();

    /// See HttpListener::listen().
    [[nodiscard]] Status listen(Fd socket);
    [[nodiscard]] Status start();
    /// Stops accepting. The process finishes the present answers, for this time at most.
    /// @param done  called once on the io_context when the process has ended
    void stop(std::chrono::milliseconds longest, std::function<void()> done);
    [[nodiscard]] Figures figures() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// argv[1] of the process, "--front"; argv[2] is the PID of ksmsd.
inline constexpr const char* kFrontOption = "--front";

/// Runs the HTTP process until ksmsd stops it or ends.
/// @param parent  the PID of ksmsd, to notice that it has died already
/// @param page    the answer to GET /
/// @return the exit status
int front_main(pid_t parent, HttpPage page);

}  // namespace ksms
