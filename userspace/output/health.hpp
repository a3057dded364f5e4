// SPDX-License-Identifier: BSD-2-Clause
// Results of `doctor`, `gc` and `uninstall`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "output/json_writer.hpp"

namespace ksms {

enum class Health {
    ok,
    limited,  ///< missing, but a plain scan does not need it
    missing,  ///< missing, and every scan needs it
    unknown,  ///< could not be tested
};

struct HealthCheck {
    std::string group;  ///< "kernel", "capabilities", "mounts", "registry", "tools"
    std::string name;
    Health health{Health::ok};
    std::string detail;  ///< what was found
    std::string remedy;  ///< unless ok
};

struct HealthReport {
    std::vector<HealthCheck> checks;
    [[nodiscard]] bool can_scan() const;
};

std::string health_text(const HealthReport& report, bool color, std::size_t width);
/// ksms.doctor/1
void write_health_json(const HealthReport& report, bool pretty, const Sink& sink);

struct Removed {
    unsigned pid{0};   ///< of the dead owner; 0: it had none
    std::string what;  ///< "filter on eth0 (ingress) in hq-gw"
    std::string error;
};

/// ksms.uninstall/1
/// @param held  descriptions of its users
void write_uninstalled_json(const std::vector<Removed>& parts, const std::vector<std::string>& held,
                            bool dry_run, bool pretty, const Sink& sink);

std::string removed_text(const std::vector<Removed>& removed);
/// ksms.gc/1
void write_removed_json(const std::vector<Removed>& removed, bool pretty, const Sink& sink);

}  // namespace ksms
