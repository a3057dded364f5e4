// SPDX-License-Identifier: BSD-2-Clause
// Where on the BPF file system things are pinned.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"

namespace ksms {

/// Where things are pinned. Default "/sys/fs/bpf/ksms"; --pin-root and KSMS_PIN_ROOT name another
/// directory, which must be on a BPF file system.
struct PinRoot {
    std::string path{"/sys/fs/bpf/ksms"};
    /// @param option  the value of --pin-root, "" if it was not given
    /// @param environment  that of KSMS_PIN_ROOT
    static Result<PinRoot> choose(const std::string& option,
                                  const std::optional<std::string>& environment);
};

/// What to do where nothing is pinned.
enum class Missing { install, fail };

}  // namespace ksms
