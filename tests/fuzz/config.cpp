// SPDX-License-Identifier: BSD-2-Clause
// config.json.
#include "config/config.hpp"

#include <cstring>

#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto config = parse_config(text_of(data, size), "FILE");
    if (!config) {
        const auto& message = config.error().message;
        holds(config.error().code == Code::usage && is_utf8(message));
        // The line of what is wrong is named.
        std::size_t digits = 5;
        holds(message.starts_with("FILE:"));
        while (message[digits] >= '0' && message[digits] <= '9') ++digits;
        holds(digits > 5 && message[5] != '0' && message[digits] == ':');
        return 0;
    }
    holds(std::memchr(data, 0, size) == nullptr);
    const auto& limits = config->limits;
    holds(limits.dscp_min <= limits.dscp_max && limits.dscp_max < KSMS_DSCPS);
    holds(range_mask(limits) != 0 && capacity(limits) >= 1 && limits.ttl > nanoseconds(0));
    holds(root_reserve(limits) < capacity(limits) && limits.ttl <= limits.longest);
    holds(config->utilization_warning >= 0 && config->utilization_warning <= 1);
    holds(config->service.socket.starts_with('/') && config->service.keep_jobs > 0);
    for (const auto& prefix : config->service.allow.sources)
        holds(prefix.length <= prefix.address.size() * 8);
    for (const auto& warning : config->warnings) holds(is_utf8(warning));
    // What the kernel is told says the same when it is read back.
    const auto told = kernel_limits(limits);
    const auto again = kernel_limits(from_kernel(told));
    holds(std::memcmp(&told, &again, sizeof told) == 0);
    return 0;
}
