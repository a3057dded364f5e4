// SPDX-License-Identifier: BSD-2-Clause
// Somebody else's BPF programs.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.hpp"

namespace ksms::lab {

/// Returns a number. At an interface of a namespace until the descriptor is closed.
/// @param attach  BPF_XDP, BPF_TCX_INGRESS or BPF_TCX_EGRESS
Fd attach_tiny(const std::string& netns, const std::string& interface, int attach,
               std::int32_t returns);
/// Likewise; drops what has this DSCP.
Fd attach_dscp_dropper(const std::string& netns, const std::string& interface, int attach,
                       std::uint8_t dscp);
/// Likewise; lets one packet in 40 ms pass.
Fd attach_limiter(const std::string& netns, const std::string& interface, int attach);

}  // namespace ksms::lab
