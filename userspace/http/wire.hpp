// SPDX-License-Identifier: BSD-2-Clause
// A blocking Unix socket with deadlines, for the client.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

class Wire {
public:
    using Clock = std::chrono::steady_clock;
    using Stopped = std::function<bool()>;

    /// Connects to a Unix socket. @param stopped  see ClientOptions; may be empty
    [[nodiscard]] static Result<Wire> connect(const std::string& path,
                                              std::chrono::milliseconds longest, Stopped stopped);

    [[nodiscard]] Status write(std::string_view bytes, Clock::time_point until);
    /// What is there, at least one byte; 0: the other side ended. @param data  of `size` bytes
    [[nodiscard]] Result<std::size_t> read(char* data, std::size_t size, Clock::time_point until);

private:
    Wire(Fd socket, Stopped stopped) : socket_(std::move(socket)), stopped_(std::move(stopped)) {}
    /// @param events  POLLIN or POLLOUT
    [[nodiscard]] Status wait(short events, Clock::time_point until) const;

    Fd socket_;
    Stopped stopped_;
};

}  // namespace ksms
