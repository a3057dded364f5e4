// SPDX-License-Identifier: BSD-2-Clause
// Checks the table of leases for impossible entries: compares each entry with the others, with the
// processes, and with the data of the BPF hooks.
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

/// @param repair  repair what can be repaired without freeing a DSCP in use; root only
Result<std::vector<Finding>> check_leases(const RegistryPins& pins, const RegistryLimits& limits,
                                          bool repair, const Surroundings& surroundings = {});

}  // namespace ksms
