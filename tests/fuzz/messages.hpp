// SPDX-License-Identifier: BSD-2-Clause
// The input as a datagram of netlink.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "holds.hpp"
#include "os/message.hpp"

namespace ksms::fuzz {

/// Each whole message of a datagram, as Netlink::wait() walks it.
template <typename Each>
void for_each_message(const std::uint8_t* data, std::size_t size, const Each& each) {
    int left = static_cast<int>(size);
    for (const auto* at = reinterpret_cast<const nlmsghdr*>(data); is_whole(at, left);
         at = mnl_nlmsg_next(at, &left))
        each(at);
}

/// A text out of a message is no longer than the message.
inline void fits(const nlmsghdr* message, const std::string& text) {
    holds(text.size() < message->nlmsg_len);
}

}  // namespace ksms::fuzz
