// SPDX-License-Identifier: BSD-2-Clause
// Somebody else's BPF program: it does nothing but return a number.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.hpp"

namespace ksms::lab {

/// At an interface of a namespace until the descriptor is closed.
/// @param attach  BPF_XDP, BPF_TCX_INGRESS or BPF_TCX_EGRESS
Fd attach_tiny(const std::string& netns, const std::string& interface, int attach,
               std::int32_t returns);

}  // namespace ksms::lab
