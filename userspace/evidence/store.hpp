// SPDX-License-Identifier: BSD-2-Clause
// A scan's part of the pinned maps: what the taps must know of it, and what they counted. Small
// scans use the shared hashes, which people read with bpftool; big ones arrays of their own, mapped
// into memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"
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

/// Keys of the hashes, which have no bytes between their members.
template <typename K>
struct StoreKey {
    std::size_t operator()(const K& key) const {
        return fnv1a({reinterpret_cast<const char*>(&key), sizeof key});
    }
    bool operator()(const K& one, const K& other) const {
        return std::memcmp(&one, &other, sizeof one) == 0;
    }
};
template <typename K, typename V>
using StoreTable = std::unordered_map<K, V, StoreKey<K>, StoreKey<K>>;

/// What the hashes have of a scan at one moment.
struct StoreMoment {
    StoreTable<ksms_counter_key, ksms_counter> counters;
    StoreTable<ksms_drop_key, ksms_drop> drops;
};

/// The arrays of a big scan. To enter one for the taps takes an RCU grace period, about 12 ms:
/// begun before they are needed.
class ScanArrays {
public:
    /// Clears what a killed scan left under the DSCP.
    /// @param probes  services x entries
    /// @param sites  namespaces that count
    static Result<ScanArrays> begin(const Objects& objects, Guard& guard, std::uint8_t dscp,
                                    std::uint32_t generation, std::uint32_t services,
                                    std::uint32_t probes, std::uint32_t sites);
    /// Waits for them. Nothing where the scan is small and uses the hashes.
    Result<std::optional<DenseStore>> take();

private:
    std::future<Result<DenseStore>> making_;  ///< invalid: there are none
};

class ScanStore {
public:
    /// As long as it lives counter() and drop() answer with what was counted when it was made.
    class [[nodiscard]] Frozen {
    public:
        Frozen() = default;
        explicit Frozen(const ScanStore* store) : store_(store) {}
        Frozen(Frozen&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
        Frozen& operator=(Frozen&&) = delete;
        ~Frozen() {
            if (store_ != nullptr) store_->moment_.reset();
        }

    private:
        const ScanStore* store_{nullptr};
    };
    /// Installs the services, the routers and the slot of the scan; from here on the taps count for
    /// it. `header` must be complete (source port included).
    /// @param arrays  begun for as many services, entries and sites
    static Result<ScanStore> begin(const Objects& objects, ScanArrays arrays,
                                   const ProbeHeader& header, const std::vector<Service>& services,
                                   std::uint32_t entries, const std::vector<StoreSite>& sites);

    /// Reads the hashes as a whole, which is one system call and not one for each counter. For who
    /// looks at `probes` of the scan and sends none meanwhile; no other thread may read. Of a few
    /// probes, or where the hashes cannot be read so, and of big scans, nothing is frozen.
    Frozen freeze(std::size_t probes) const;
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
    mutable std::unique_ptr<StoreMoment> moment_;  ///< as long as it is frozen
};

}  // namespace ksms
