// SPDX-License-Identifier: BSD-2-Clause
// Maps of another version of ksms under the same pin root. They are neither read nor changed.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// The installed ABI version (ksms_config.abi, the first member in every version).
/// @return none if nothing is installed
Result<std::optional<std::uint32_t>> installed_abi(const PinRoot& root);

/// The error for an `abi` other than KSMS_ABI_VERSION.
[[nodiscard]] std::unexpected<Error> other_version(const PinRoot& root, std::uint32_t abi);

}  // namespace ksms
