// SPDX-License-Identifier: BSD-2-Clause
// Shared by the files of `ksmsctl registry …`.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "registry/registry.hpp"

namespace ksms {

/// list, status, show are in registry_command.cpp; allocate, exec, renew, release:
std::span<const Command> registry_hold_commands();
/// reap, check, backup, restore:
std::span<const Command> registry_care_commands();

/// The pins and the effective limits: the configuration for root, else the limits that root has
/// set.
struct RegistryAccess {
    RegistryPins pins;
    RegistryLimits limits;
};
Result<RegistryAccess> open_registry(const Context& context);

/// Prints ksms.registry/1 or the text.
void print_leases(Context& context, const std::vector<ksms_lease>& leases, const std::string& text);
/// The lease that --job or --dscp names.
Result<ksms_lease> named_lease(const Registry& registry, const Arguments& arguments);

inline constexpr std::array kNaming{Option{"job", "ID", "the job's name"},
                                    Option{"dscp", "N", "the DSCP that it holds"}};

}  // namespace ksms
