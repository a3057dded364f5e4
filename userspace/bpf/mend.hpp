// SPDX-License-Identifier: BSD-2-Clause
// Restores deleted pins. Their maps and programs exist as long as something else holds them, and
// can be pinned again.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// The pin of the link of the exit hook.
constexpr const char* kExitHook = "exit_hook";

/// The maps of the registry. They outlive their pins (bpf/keeper.hpp).
constexpr std::array<const char*, 7> kRegistryMaps{"leases",       "waiters", "registry", "owners",
                                                   "lease_timers", "answers", "limits"};

struct PinFinding {
    std::string name;        ///< of the pin
    bool mended{false};      ///< restored with its former content
    std::string lost_words;  ///< if it could not be found: the consequence
};

/// Lists the pins that are missing under the root.
/// @param repair  restore them
Result<std::vector<PinFinding>> mend_pins(const PinRoot& root, bool repair);

/// Sets up the timers of all leases again. Each examines its lease and waits for its end.
Status set_timers(const PinRoot& root);

/// If all pins of this root are gone (removed by hand, file system unmounted) but a process still
/// uses the maps, or DSCPs are held and the keeper holds the maps (bpf/keeper.hpp), pins them in
/// `directory`.
Status adopt_orphans(const PinRoot& root, const std::string& directory);

/// Whether no DSCP is held in the maps of an installation whose pins are gone.
Result<bool> is_unused(const PinRoot& root);

/// Removes the keeper if the pins are gone and no DSCP is held.
/// @return whether it was removed
Result<bool> drop_unused(const PinRoot& root);

}  // namespace ksms
