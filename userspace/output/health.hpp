// SPDX-License-Identifier: BSD-2-Clause
// What `doctor` found out about this machine, and what `gc` removed from it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "output/json_writer.hpp"

namespace ksms {

enum class Health {
    ok,
    limited,  ///< something is missing that a plain scan can do without
    missing,  ///< no scan without it
    unknown,  ///< it could not be tried
};

struct HealthCheck {
    std::string group;  ///< "kernel", "capabilities", "mounts", "registry", "tools"
    std::string name;
    Health health{Health::ok};
    std::string detail;  ///< what was found
    std::string remedy;  ///< where it is not ok
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
/// @param held  who uses it
void write_uninstalled_json(const std::vector<Removed>& parts, const std::vector<std::string>& held,
                            bool dry_run, bool pretty, const Sink& sink);

std::string removed_text(const std::vector<Removed>& removed);
/// ksms.gc/1
void write_removed_json(const std::vector<Removed>& removed, bool pretty, const Sink& sink);

}  // namespace ksms
