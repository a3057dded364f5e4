// SPDX-License-Identifier: BSD-2-Clause
#include "scan/answer_text.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "ksms/abi.h"

namespace ksms {
namespace {

struct Error {
    int family;
    std::uint8_t type, code;
    std::string_view name;
};
// RFC 792, RFC 1122 and RFC 1812; RFC 4443
constexpr Error kErrors[] = {
    {AF_INET, 3, 0, "icmp-net-unreachable"},      {AF_INET, 3, 1, "icmp-host-unreachable"},
    {AF_INET, 3, 2, "icmp-proto-unreachable"},    {AF_INET, 3, 3, "icmp-port-unreachable"},
    {AF_INET, 3, 4, "icmp-fragmentation-needed"}, {AF_INET, 3, 9, "icmp-net-prohibited"},
    {AF_INET, 3, 10, "icmp-host-prohibited"},     {AF_INET, 3, 13, "icmp-admin-prohibited"},
    {AF_INET, 11, 0, "icmp-ttl-exceeded"},        {AF_INET6, 1, 0, "icmp6-no-route"},
    {AF_INET6, 1, 1, "icmp6-adm-prohibited"},     {AF_INET6, 1, 3, "icmp6-addr-unreachable"},
    {AF_INET6, 1, 4, "icmp6-port-unreachable"},   {AF_INET6, 1, 5, "icmp6-policy-fail"},
    {AF_INET6, 1, 6, "icmp6-reject-route"},       {AF_INET6, 2, 0, "icmp6-packet-too-big"},
    {AF_INET6, 3, 0, "icmp6-hop-limit-exceeded"},
};

}  // namespace

Name answer_name(std::uint8_t answer, int family, std::uint8_t icmp_type, std::uint8_t icmp_code) {
    switch (answer) {
        case KSMS_ANSWER_RESET: return "tcp-reset";
        case KSMS_ANSWER_SYN_ACK: return kSynAck;
        case KSMS_ANSWER_ICMP: break;
        default: return {};
    }
    const auto known = std::ranges::find_if(kErrors, [&](const Error& each) {
        return each.family == family && each.type == icmp_type && each.code == icmp_code;
    });
    if (known != std::end(kErrors)) return known->name;
    return fmt::format("icmp{}-{}-{}", family == AF_INET6 ? "6" : "", icmp_type, icmp_code);
}

}  // namespace ksms
