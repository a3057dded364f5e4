// SPDX-License-Identifier: BSD-2-Clause
// Removes what stays installed by design: the pins, including the exit hook, and the keeper's
// cgroup.
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

/// Removes pins, directories and cgroup. First moves the pin root aside, so that no process can
/// open it any more. Then `is_free` checks for users a last time; if it returns an error, the pin
/// root is moved back. If this process is killed meanwhile, the next installer removes the rest.
/// @param is_free  gets the present location of the pins
Status remove_installed(const PinRoot& root,
                        const std::function<Status(const PinRoot& aside)>& is_free);

}  // namespace ksms
