// SPDX-License-Identifier: BSD-2-Clause
// Does the table say what can be true? The limits, leases that are over, and entries that no
// program of the kernel's leaves so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/registry_pins.hpp"
#include "registry/limits.hpp"
#include "registry/record.hpp"

namespace ksms {

struct Finding {
    std::string what;    ///< "DSCP 40: its owner, process 4711, has ended"
    std::string why;     ///< why it matters
    std::string remedy;  ///< what a repair does, or did
    bool repaired{false};
};

/// @param repair  set the limits and free what is over, without giving up a DSCP that is in use;
/// root only
Result<std::vector<Finding>> check_leases(const RegistryPins& pins, const RegistryLimits& limits,
                                          bool repair, const Surroundings& surroundings = {});

}  // namespace ksms
