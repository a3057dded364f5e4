// SPDX-License-Identifier: BSD-2-Clause
// Requests and their replies, matched by sequence numbers. Uses no socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/error.hpp"

struct nlmsghdr;

namespace ksms {

class Exchange {
public:
    enum class Ends {
        reply,           ///< with the first message that answers the last request
        acknowledgement  ///< with NLMSG_ERROR or NLMSG_DONE for the last request
    };
    /// Gets the index of the request and a message, including NLMSG_ERROR and NLMSG_DONE. An error
    /// ends the exchange.
    using Each = std::function<Status(std::size_t which, const nlmsghdr*)>;

    /// @param first  sequence number of the first of `count` consecutive requests
    Exchange(std::uint32_t first, std::size_t count, Ends ends, Each each)
        : first_(first), count_(count), ends_(ends), each_(std::move(each)) {}

    /// @param datagram  from the kernel; messages for other requests and truncated ones are ignored
    Status take(std::span<const char> datagram);
    [[nodiscard]] bool over() const { return over_; }
    /// The listed objects changed during the dump (NLM_F_DUMP_INTR).
    [[nodiscard]] bool interrupted() const { return interrupted_; }

private:
    std::uint32_t first_;
    std::size_t count_;
    Ends ends_;
    Each each_;
    bool over_{false}, interrupted_{false};
};

/// Whether it is NLMSG_ERROR or NLMSG_DONE, which carry no data.
[[nodiscard]] bool is_control(const nlmsghdr* message);
/// The errno in a message; 0 for an acknowledgement or data, EBADMSG for a truncated message.
[[nodiscard]] int error_of(const nlmsghdr* message);
/// The text of the extended acknowledgement (NETLINK_EXT_ACK, Linux 4.12); "" if there is none.
[[nodiscard]] std::string error_text(const nlmsghdr* message);

}  // namespace ksms
