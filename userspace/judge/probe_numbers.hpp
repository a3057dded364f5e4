// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstdint>

namespace ksms {

/// Which number a probe has: entry by entry, within each in the order of the services.
class ProbeNumbers {
public:
    /// @param services  of the scan; each entry has a probe for each
    constexpr explicit ProbeNumbers(std::size_t services) : services_(services) {}

    [[nodiscard]] constexpr std::uint32_t probe(std::size_t entry, std::size_t service) const {
        return static_cast<std::uint32_t>(entry * services_ + service);
    }
    [[nodiscard]] constexpr std::size_t entry(std::uint32_t probe) const {
        return probe / services_;
    }
    [[nodiscard]] constexpr std::size_t service(std::uint32_t probe) const {
        return probe % services_;
    }
    [[nodiscard]] constexpr std::size_t services() const { return services_; }

private:
    std::size_t services_;
};

}  // namespace ksms
