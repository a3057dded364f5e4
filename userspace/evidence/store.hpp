// SPDX-License-Identifier: BSD-2-Clause
// A scan's part of the pinned maps: what the taps must know of it, and what they counted. Small
// scans use the shared hashes, which people read with bpftool; big ones arrays of their own, mapped
// into memory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/service.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "judge/probe_numbers.hpp"
#include "probe/probe_packet.hpp"
#include "taps/taps.hpp"

namespace ksms {

/// A namespace whose taps or drops count for the scan; its slot is its place in the list.
struct StoreSite {
    std::uint32_t netns{0};  ///< inode
    SiteTaps taps{};         ///< both NONE: only its drops matter
};

class ScanStore {
public:
    /// Installs the services, the routers and the slot of the scan; from here on the taps count for
    /// it. `header` must be complete (source port included).
    static Result<ScanStore> begin(const Objects& objects, Guard& guard, const ProbeHeader& header,
                                   const std::vector<Service>& services, std::uint32_t entries,
                                   const std::vector<StoreSite>& sites);

    /// What a tap of this site counted of a probe so far; all zero if nothing.
    [[nodiscard]] ksms_counter counter(std::size_t slot, ksms_direction direction,
                                       std::uint32_t probe) const;
    [[nodiscard]] ksms_drop drop(std::size_t slot, std::uint32_t probe) const;
    [[nodiscard]] std::optional<ksms_translation> translation(std::size_t slot,
                                                              ksms_direction direction,
                                                              std::uint32_t probe) const;
    [[nodiscard]] const ProbeHeader& header() const { return header_; }
    [[nodiscard]] const Service& service(std::uint32_t probe) const {
        return (*services_)[numbers().service(probe)];
    }
    [[nodiscard]] std::uint16_t source_port(std::uint32_t probe) const {
        return header_.port_of(numbers().entry(probe));
    }
    [[nodiscard]] std::uint32_t probes() const { return probes_; }
    [[nodiscard]] std::uint32_t entries() const {
        return static_cast<std::uint32_t>(numbers().entry(probes_));
    }
    [[nodiscard]] ProbeNumbers numbers() const { return ProbeNumbers(services_->size()); }
    [[nodiscard]] bool dense() const { return dense_.has_value(); }

private:
    ksms_counter_key key(std::size_t slot, ksms_direction direction, std::uint32_t probe) const;
    Status install_services() const;

    const Objects* objects_{nullptr};
    const std::vector<Service>* services_{nullptr};
    std::vector<StoreSite> sites_;
    std::uint32_t probes_{0};
    ProbeHeader header_;
    std::optional<DenseStore> dense_;
};

}  // namespace ksms
