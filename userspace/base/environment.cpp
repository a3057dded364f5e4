// SPDX-License-Identifier: BSD-2-Clause
#include "base/environment.hpp"

#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"

namespace ksms {
namespace {

std::optional<std::string> variable(const char* name) {
    const char* text = ::secure_getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return text;
}

}  // namespace

Environment Environment::read() {
    Environment found;
    found.pin_root = variable("KSMS_PIN_ROOT");
    found.job_dscp = variable("KSMS_JOB_DSCP");
    found.attach = variable("KSMS_ATTACH");
    found.drops = variable("KSMS_DROPS") != "off";
    if (getuid() == 0)
        found.sudo_uid = parse_number<std::uint32_t>(variable("SUDO_UID").value_or(""));
    return found;
}

}  // namespace ksms
