// SPDX-License-Identifier: BSD-2-Clause
// What the environment says to ksms. Read where a program starts, and nowhere else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ksms {

/// A variable that is empty is as one that is not set.
struct Environment {
    std::optional<std::string> pin_root;  ///< KSMS_PIN_ROOT
    std::optional<std::string> job_dscp;  ///< KSMS_JOB_DSCP: the DSCP that `registry exec` holds
    std::optional<std::string> attach;    ///< KSMS_ATTACH: clsact or tcx
    bool drops{true};                     ///< KSMS_DROPS=off: do as kernels without drop reasons
    /// SUDO_UID: who called sudo(8). Only for root, and only where it is a number.
    std::optional<std::uint32_t> sudo_uid;

    /// By secure_getenv(3).
    static Environment read();
};

}  // namespace ksms
