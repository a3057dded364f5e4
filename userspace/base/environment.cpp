// SPDX-License-Identifier: BSD-2-Clause
#include "base/environment.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <system_error>

namespace ksms {
namespace {

std::optional<std::string> variable(const char* name) {
    const char* text = ::secure_getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return text;
}

std::optional<std::uint32_t> number(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    std::uint32_t value = 0;
    const auto* last = text->data() + text->size();
    const auto [end, error] = std::from_chars(text->data(), last, value);
    if (error != std::errc() || end != last) return std::nullopt;
    return value;
}

}  // namespace

Environment Environment::read() {
    Environment found;
    found.pin_root = variable("KSMS_PIN_ROOT");
    found.job_dscp = variable("KSMS_JOB_DSCP");
    found.attach = variable("KSMS_ATTACH");
    found.drops = variable("KSMS_DROPS") != "off";
    if (getuid() == 0) found.sudo_uid = number(variable("SUDO_UID"));
    return found;
}

}  // namespace ksms
