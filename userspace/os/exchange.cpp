// SPDX-License-Identifier: BSD-2-Clause
#include "os/exchange.hpp"

#include <linux/netlink.h>

#include <cerrno>

#include "os/message.hpp"

namespace ksms {

Status Exchange::take(std::span<const char> datagram) {
    int left = static_cast<int>(datagram.size());
    for (const auto* at = reinterpret_cast<const nlmsghdr*>(datagram.data());
         !over_ && is_whole(at, left); at = mnl_nlmsg_next(at, &left)) {
        const std::size_t which = at->nlmsg_seq - first_;
        if (which >= count_) continue;
        interrupted_ |= (at->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        KSMS_CHECK(each_(which, at));
        over_ = which + 1 == count_ && (ends_ == Ends::reply || is_control(at));
    }
    return {};
}

bool is_control(const nlmsghdr* message) {
    return message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE;
}

int error_of(const nlmsghdr* message) {
    int error = 0;
    if (message->nlmsg_type == NLMSG_ERROR) {
        const auto whole = fixed_part<nlmsgerr>(message);
        if (!whole) return EBADMSG;
        error = whole->error;
    } else if (message->nlmsg_type == NLMSG_DONE) {
        error = fixed_part<int>(message).value_or(0);
    }
    if (error == 0) return 0;
    constexpr int most = 4095;  // MAX_ERRNO, linux/err.h of the kernel
    return error < 0 && error >= -most ? -error : EBADMSG;
}

std::string error_text(const nlmsghdr* message) {
    if (!is_control(message) || (message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    const std::size_t size = mnl_nlmsg_get_payload_len(message);
    std::size_t offset = sizeof(int);
    if (message->nlmsg_type == NLMSG_ERROR) {
        const auto error = fixed_part<nlmsgerr>(message);
        if (!error) return {};
        offset = sizeof *error;
        // The payload of the request precedes them, unless NETLINK_CAP_ACK is set.
        if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) {
            if (error->msg.nlmsg_len < sizeof(nlmsghdr) || error->msg.nlmsg_len > size) return {};
            offset += MNL_ALIGN(error->msg.nlmsg_len - sizeof(nlmsghdr));
        }
    }
    if (offset > size) return {};
    const auto* begin = static_cast<const char*>(mnl_nlmsg_get_payload(message));
    return Attributes(std::span(begin + offset, size - offset), NLMSGERR_ATTR_MAX)
        .text(NLMSGERR_ATTR_MSG);
}

}  // namespace ksms
