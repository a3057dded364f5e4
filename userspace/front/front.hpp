// SPDX-License-Identifier: BSD-2-Clause
// The front as ksmsd has it: a process that speaks HTTP and may nothing else. ksmsd accepts the
// clients, asks the kernel who they are, and hands them over; what they ask comes back as messages.
// One that dies, breaks the rules or does not answer is started anew: its clients lose their
// connections, and nothing else is lost.
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

    /// @param io       outlives this; everything happens on the one thread that runs it
    /// @param service  outlives this
    /// @param peers    outlives this
    /// @param say      what somebody should know: a front that ended, and why
    Front(boost::asio::io_context& io, JobService& service, PeerNames& peers,
          std::function<void(const std::string&)> say);
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;
    /// Kills it.
    ~Front();

    /// See HttpListener::listen().
    [[nodiscard]] Status listen(Fd socket);
    [[nodiscard]] Status start();
    /// Accepts no more; the front answers what is being answered, for as long as this at most.
    /// @param done  called once, by the io_context, when it has ended
    void stop(std::chrono::milliseconds longest, std::function<void()> done);
    [[nodiscard]] Figures figures() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// argv[1] of the process, "--front"; argv[2] is the PID of ksmsd.
inline constexpr const char* kFrontOption = "--front";

/// The process itself, until ksmsd ends it or is gone.
/// @param parent  the PID of ksmsd: one that died before this was called is noticed
/// @param page    what GET / answers
/// @return the exit status
int front_main(pid_t parent, HttpPage page);

}  // namespace ksms
