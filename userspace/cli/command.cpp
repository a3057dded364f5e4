// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"

namespace ksms {

std::vector<Command> commands() {
    std::vector<Command> all;
    for (const auto part :
         {scan_commands(), explain_commands(), registry_commands(), job_commands(), tap_commands(),
          doctor_commands(), gc_commands(), uninstall_commands()})
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

}  // namespace ksms
