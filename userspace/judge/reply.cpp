// SPDX-License-Identifier: BSD-2-Clause
#include "judge/reply.hpp"

#include <sys/socket.h>

#include "ksms/abi.h"

namespace ksms {

Reply reply_of(std::uint8_t answer, int family, std::uint8_t icmp_type, std::uint8_t icmp_code) {
    switch (answer) {
        case KSMS_ANSWER_RESET: return {Reply::Kind::tcp_reset, 0, 0};
        case KSMS_ANSWER_SYN_ACK: return {Reply::Kind::tcp_syn_ack, 0, 0};
        case KSMS_ANSWER_ICMP: break;
        default: return {};
    }
    return {family == AF_INET6 ? Reply::Kind::icmp6 : Reply::Kind::icmp, icmp_type, icmp_code};
}

}  // namespace ksms
