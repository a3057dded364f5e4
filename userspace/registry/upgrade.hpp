// SPDX-License-Identifier: BSD-2-Clause
// A registry of an older version, and what is held in it, taken over by this one.
#pragma once

#include <optional>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"
#include "registry/check.hpp"
#include "registry/limits.hpp"

namespace ksms {

/// @param repair  set it up anew, with every lease whose owner lives and whose time is not over;
/// not while a scan of the other version runs, and not from a newer version to this one
/// @return none where the registry is of this version, or there is none
Result<std::optional<Finding>> check_version(const PinRoot& root, const RegistryLimits& limits,
                                             bool repair, const Surroundings& surroundings = {});

}  // namespace ksms
