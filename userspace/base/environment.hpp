// SPDX-License-Identifier: BSD-2-Clause
// The environment variables of ksms, read only at the start of a program.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ksms {

/// An empty variable counts as not set.
struct Environment {
    std::optional<std::string> pin_root;  ///< KSMS_PIN_ROOT
    std::optional<std::string> job_dscp;  ///< KSMS_JOB_DSCP: the DSCP that `registry exec` holds
    std::optional<std::string> attach;    ///< KSMS_ATTACH: clsact or tcx
    bool drops{true};                     ///< KSMS_DROPS=off: do not use drop reasons
    /// SUDO_UID: the user who called sudo(8). Only for root, and only if it is a number.
    std::optional<std::uint32_t> sudo_uid;

    /// By secure_getenv(3).
    static Environment read();
};

}  // namespace ksms
