// SPDX-License-Identifier: BSD-2-Clause
// Maps of another version of ksms under the same pin root. This one neither reads nor changes them.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// The ABI version of what is installed (ksms_config.abi, the first field of every version).
/// @return none where nothing is installed
Result<std::optional<std::uint32_t>> installed_abi(const PinRoot& root);

/// What to say where `abi` is not KSMS_ABI_VERSION.
[[nodiscard]] std::unexpected<Error> other_version(const PinRoot& root, std::uint32_t abi);

}  // namespace ksms
