// SPDX-License-Identifier: BSD-2-Clause
// A drop in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "scan/evidence.hpp"

namespace ksms {

/// @param hook  enum ksms_hook
/// @return "FORWARD"; "" where it is not known
const char* hook_name(std::uint8_t hook);

/// "firewall, FORWARD (NETFILTER_DROP)": what a network engineer understands, then the kernel's
/// word.
std::string drop_text(const DropEvidence& drop, std::string_view hook);

}  // namespace ksms
