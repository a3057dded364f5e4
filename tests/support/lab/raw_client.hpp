// SPDX-License-Identifier: BSD-2-Clause
// A client of a Unix socket that says what it likes, and hears what it likes.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "lab/users.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {

class RawClient {
public:
    /// Connects as this user. Throws where it cannot.
    RawClient(const std::string& path, const Client& who);

    /// Sends as much as is taken before the other side closes or this time is over.
    /// @return bytes that were taken
    std::size_t say(std::string_view text, milliseconds within = milliseconds{10'000});
    /// What comes until the other side closes, or this time is over.
    std::string hear(milliseconds within = milliseconds{10'000});
    /// The first bytes, enough for http_status(); the rest stays unread.
    std::string begin(milliseconds within = milliseconds{10'000});
    /// The other side has closed; what came before is thrown away.
    [[nodiscard]] bool is_closed();

private:
    Fd socket_;
};

/// "431": of an answer of HTTP. "none" where it is none.
std::string http_status(const std::string& answer);

}  // namespace ksms::lab
