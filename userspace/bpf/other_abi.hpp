// SPDX-License-Identifier: BSD-2-Clause
// An installation of another version under the same root: its records are read by the names of
// their fields (BTF), and the programs and maps of this version take its place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"

namespace ksms {

/// As in ksms_lease, wherever that version has it.
struct OtherLease {
    std::uint32_t dscp{0};
    std::uint32_t owner_pid{0};
    std::uint32_t uid{0};
    std::uint64_t owner_start{0};
    std::uint64_t expires_ns{0};
    std::string job, user;
};

struct OtherAbi {
    std::uint32_t version{0};
    std::vector<OtherLease> leases;  ///< everything that is not free
    std::uint64_t active_scans{0};   ///< bit n: under DSCP n
};

/// @return none where nothing is installed, or this version is; Code::failed where it cannot be
/// told which DSCPs are in use
Result<std::optional<OtherAbi>> find_other_abi(const PinRoot& root);

/// Everything anew, put in the other's place at one stroke (RENAME_EXCHANGE); its pins go.
/// @param carry  takes over what is held: from the pins that stand to the new ones before they are
/// exchanged, and once more after, for what was taken meanwhile
Status replace_other_abi(
    const PinRoot& root,
    const std::function<Status(const PinRoot& from, const PinRoot& to)>& carry);

}  // namespace ksms
