// SPDX-License-Identifier: BSD-2-Clause
// Pins that somebody deleted: what they named lives on as long as anything else holds it, and can
// be pinned again.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// The pin of the link on the end of processes.
constexpr const char* kExitHook = "exit_hook";

/// The maps that say who holds which DSCP. They outlive their pins (bpf/keeper.hpp).
constexpr std::array<const char*, 7> kRegistryMaps{"leases",       "waiters", "registry", "owners",
                                                   "lease_timers", "answers", "limits"};

struct PinFinding {
    std::string name;        ///< of the pin
    bool mended{false};      ///< it is there again, and names what it named before
    std::string lost_words;  ///< where it could not be found again: what that means
};

/// What ought to be pinned under the root and is not.
/// @param repair  pin it again
/// @return Code::not_found where nothing of an installation is left that could be found
Result<std::vector<PinFinding>> mend_pins(const PinRoot& root, bool repair);

/// Every lease's timer, set up again: it looks at its lease, and waits for its end.
Status set_timers(const PinRoot& root);

/// What is left of an installation for this root whose pins are all gone (removed by hand, the file
/// system unmounted), because a process still uses it, or because DSCPs are held and the maps are
/// kept for them (bpf/keeper.hpp). Pinned again into `directory`.
Status adopt_orphans(const PinRoot& root, const std::string& directory);

/// Where the pins are gone: is no DSCP held in the maps that are kept?
Result<bool> is_unused(const PinRoot& root);

/// Where the pins are gone and no DSCP is held, nothing needs to be kept for them.
/// @return whether something was
Result<bool> drop_unused(const PinRoot& root);

}  // namespace ksms
