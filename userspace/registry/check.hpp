// SPDX-License-Identifier: BSD-2-Clause
// Does the table say what can be true? Every entry against every other, the processes, and what the
// kernel's hooks go by.
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

/// @param repair  put right what can be put right, without giving up a DSCP that is in use; root
/// only
Result<std::vector<Finding>> check_leases(const RegistryPins& pins, const RegistryLimits& limits,
                                          bool repair, const Surroundings& surroundings = {});

}  // namespace ksms
