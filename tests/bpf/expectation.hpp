// SPDX-License-Identifier: BSD-2-Clause
// What the taps must have counted after some packets, worked out in plain C++.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "bench.hpp"
#include "reference_parser.hpp"

namespace ksms::test {

/// Scan (its number), entry, service (its number).
using ProbeKey = std::tuple<std::size_t, std::uint32_t, std::uint32_t>;

struct ExpectedCounter {
    std::uint64_t packets{0}, bytes{0};
    std::uint32_t strangers{0};
    std::uint16_t seen_port{0};
    std::uint8_t seen_dscp{0}, ttl{0}, flags{0};
    bool operator==(const ExpectedCounter&) const = default;
};

struct Expectation {
    std::uint64_t packets{0}, own{0}, strangers{0}, unparsable{0}, fragments{0};
    std::array<std::uint64_t, KSMS_STATS> stats{};
    std::map<ProbeKey, ExpectedCounter> counters;
    std::map<ProbeKey, Parsed> translations;  ///< the last packet of each
    bool operator==(const Expectation& other) const { return difference(other).empty(); }
    /// What is not as in the other, in words; "" where nothing is.
    [[nodiscard]] std::string difference(const Expectation& other) const;
};

class Expecting {
public:
    Expecting(const Bench& bench, std::vector<ScanSpec> scans);
    /// @param counted  the scan that a clsact tap counts for; the others count for all
    void add(Expectation& to, const TapProgram& program, std::uint32_t counted,
             const Bytes& frame) const;
    /// What the taps say they counted. Translations are not read here.
    [[nodiscard]] Expectation read(const Bench& bench, const TapProgram& program) const;
    /// Wrong translations in words; "" where there is none.
    [[nodiscard]] std::string wrong_translation(const Bench& bench, const TapProgram& program,
                                                const Expectation& expected) const;

private:
    struct Token {
        std::size_t scan;
        std::uint32_t probe;
        bool current;  ///< of the lease that runs
    };
    [[nodiscard]] std::optional<ProbeKey> probe_of(const Parsed& packet, Expectation& to) const;
    [[nodiscard]] std::optional<ProbeKey> stranger_of(const Parsed& packet) const;
    [[nodiscard]] static bool is_echo(const Parsed& packet, const PacketSpec& sent);
    [[nodiscard]] bool nothing_is_left(const Parsed& packet, const PacketSpec& sent) const;
    [[nodiscard]] bool has_scan(std::uint32_t dscp) const;
    void count(Expectation& to, const Parsed& packet, const ProbeKey& key) const;

    std::vector<ScanSpec> scans_;
    std::vector<std::vector<PacketSpec>> sent_;        ///< of each scan, by service
    std::unordered_map<std::uint32_t, Token> tokens_;  ///< every one that means anything, sealed
};

}  // namespace ksms::test
