// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

#include "base/clock.hpp"
#include "registry/registry.hpp"

namespace ksms {

bool is_job_name(const std::string& job) {
    static constexpr std::string_view allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-";
    constexpr std::size_t kLongest = 63;
    std::string_view name = job;
    if (name.starts_with(KSMS_SERVICE_PREFIX))
        name.remove_prefix(std::string_view(KSMS_SERVICE_PREFIX).size());
    return !name.empty() && name.size() <= kLongest &&
           name.find_first_not_of(allowed) == std::string_view::npos;
}

std::string make_job_name() {
    return fmt::format("scan-{}-{:04x}", getpid(), (in_ns(monotonic()) / 1000) & 0xffff);
}

}  // namespace ksms
