// SPDX-License-Identifier: BSD-2-Clause
// What is left behind by design, so that the next command finds it and a lease outlives its maker:
// the pins, among them the link on the end of processes, and the keeper's cgroup.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

struct Installed {
    std::vector<std::string> pins;         ///< paths
    std::vector<std::string> directories;  ///< the deepest first, the pin root last
    std::string cgroup;                    ///< "": none

    [[nodiscard]] bool empty() const { return directories.empty() && cgroup.empty(); }
};

Result<Installed> find_installed(const PinRoot& root);

/// Takes it away: pins, directories, cgroup. While it is aside nobody can open it any more; then
/// `is_free` looks for the last time whether somebody uses it, and where it says no (an error) it
/// is put back. Killed half-way it is what a killed installer leaves, and the next one removes it.
/// @param is_free  is given where the pins are now
Status remove_installed(const PinRoot& root,
                        const std::function<Status(const PinRoot& aside)>& is_free);

}  // namespace ksms
