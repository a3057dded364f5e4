// SPDX-License-Identifier: BSD-2-Clause
// Requests and the replies to them, told apart by their sequence numbers. Knows no socket.
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
    /// Takes which request is answered (0: the first) and a message, NLMSG_ERROR and NLMSG_DONE
    /// too. An error ends it.
    using Each = std::function<Status(std::size_t which, const nlmsghdr*)>;

    /// @param first  sequence number of the first of `count` requests that count up from there
    Exchange(std::uint32_t first, std::size_t count, Ends ends, Each each)
        : first_(first), count_(count), ends_(ends), each_(std::move(each)) {}

    /// @param datagram  of the kernel's; whatever in it answers none of the requests, or is cut
    /// off,
    ///                  is passed over
    Status take(std::span<const char> datagram);
    [[nodiscard]] bool over() const { return over_; }
    /// What the kernel listed changed while it did (NLM_F_DUMP_INTR).
    [[nodiscard]] bool interrupted() const { return interrupted_; }

private:
    std::uint32_t first_;
    std::size_t count_;
    Ends ends_;
    Each each_;
    bool over_{false}, interrupted_{false};
};

/// NLMSG_ERROR or NLMSG_DONE: it carries no data.
[[nodiscard]] bool is_control(const nlmsghdr* message);
/// The errno in a message; 0 in one that acknowledges or has data, EBADMSG in one that is cut off.
[[nodiscard]] int error_of(const nlmsghdr* message);
/// What the kernel put into words beside it (NETLINK_EXT_ACK, Linux 4.12); "" without.
[[nodiscard]] std::string error_text(const nlmsghdr* message);

}  // namespace ksms
