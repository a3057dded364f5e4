// SPDX-License-Identifier: BSD-2-Clause
// Settings of interfaces as the kernel tells them (RTM_GETNETCONF); see forwards() too.
#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "os/netlink.hpp"

namespace ksms {

/// rp_filter (RFC 3704) as it holds for an interface, which is the larger of its own and conf/all
/// (ip-sysctl). IPv4 alone has it. @return 0: off, 1: strict, 2: loose
Result<std::uint32_t> reverse_path_filter(Netlink& netlink, std::uint32_t ifindex);

}  // namespace ksms
