// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/clock.hpp"
#include "registry/registry.hpp"

namespace ksms {

bool is_job_name(const std::string& job) {
    static constexpr std::string_view allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-";
    return !job.empty() && job.size() < KSMS_NAME_LENGTH &&
           std::ranges::all_of(
               job, [](char c) { return allowed.find(c) != std::string_view::npos; });
}

std::string make_job_name() {
    return fmt::format("scan-{}-{:04x}", getpid(), (monotonic_ns() / 1000) & 0xffff);
}

}  // namespace ksms
