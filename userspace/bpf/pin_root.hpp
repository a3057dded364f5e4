// SPDX-License-Identifier: BSD-2-Clause
// The directory of the pins.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"

namespace ksms {

/// The directory of the pins: "/sys/fs/bpf/ksms", or the one that --pin-root or KSMS_PIN_ROOT names
/// on a BPF file system.
struct PinRoot {
    std::string path{"/sys/fs/bpf/ksms"};
    /// @param option  the value of --pin-root, "" if it was not given
    /// @param environment  that of KSMS_PIN_ROOT
    static Result<PinRoot> choose(const std::string& option,
                                  const std::optional<std::string>& environment);
};

/// What to do if nothing is pinned.
enum class Missing { install, fail };

}  // namespace ksms
