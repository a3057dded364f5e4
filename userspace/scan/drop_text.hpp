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

/// Was it the routing decision that dropped it?
bool is_routing(const DropEvidence& drop);

/// "route is blackhole (10.2.0.0/16)". @param refusal  see PlanPath
std::string route_text(const DropEvidence& drop, const std::string& refusal);

/// Did a firewall not only drop it, but say so to the sender? An answer to a drop of another kind
/// (no route, TTL) is the kernel's own, and no firewall's.
/// @param answer  what was sent back; see answer_text.hpp
bool is_rejected(const DropEvidence& drop, const Name& answer);

/// ", rejected: tcp-reset"; "" where it was not
std::string rejected_text(const DropEvidence& drop, const Name& answer);

}  // namespace ksms
