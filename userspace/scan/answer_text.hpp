// SPDX-License-Identifier: BSD-2-Clause
// Answers in words.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/name.hpp"

namespace ksms {

inline constexpr std::string_view kSynAck = "tcp-syn-ack";

/// "tcp-reset", "tcp-syn-ack", or an ICMP error as iptables-extensions(8) names it under REJECT:
/// "icmp-port-unreachable", "icmp6-adm-prohibited"; what has no name there is "icmp-TYPE-CODE".
/// @param answer  enum ksms_answer
/// @param family  AF_INET or AF_INET6
Name answer_name(std::uint8_t answer, int family, std::uint8_t icmp_type, std::uint8_t icmp_code);

}  // namespace ksms
