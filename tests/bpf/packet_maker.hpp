// SPDX-License-Identifier: BSD-2-Clause
// Random packets around the probes of some scans: probes, what is nearly one, and what is broken.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "bench.hpp"

namespace ksms::test {

class PacketMaker {
public:
    PacketMaker(const Bench& bench, const std::vector<ScanSpec>& scans);
    /// The packets that follow are the same for the same seed.
    void seed(std::uint64_t seed) { random_.seed(seed); }
    Bytes next();

private:
    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>(random_() % limit);
    }
    bool one_in(std::uint32_t count) { return below(count) == 0; }
    template <typename T>
    const T& any(const std::vector<T>& of) {
        return of[below(static_cast<std::uint32_t>(of.size()))];
    }
    std::uint8_t octet() { return static_cast<std::uint8_t>(random_()); }
    std::uint16_t word();
    void change_link(PacketSpec& packet);
    void change_ip(PacketSpec& packet);
    void change_extensions(PacketSpec& packet);
    void change_transport(PacketSpec& packet);
    void change_owner(PacketSpec& packet);
    void damage(Bytes& frame);

    std::vector<PacketSpec> probes_;
    std::vector<std::uint32_t> tokens_;  ///< also those of earlier leases, and of no scan
    std::mt19937_64 random_;
};

}  // namespace ksms::test
