// SPDX-License-Identifier: BSD-2-Clause
// Taps and their counters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "output/json_writer.hpp"
#include "taps/taps.hpp"

namespace ksms {

/// `stats` of the BPF programs, by enum ksms_stat; may be empty.
using ProgramStats = std::vector<std::uint64_t>;

std::string taps_text(const std::vector<TapRow>& taps, std::size_t width);
std::string tap_counters_text(const std::vector<TapRow>& taps, const ProgramStats& stats,
                              std::size_t width);
/// ksms.taps/1
void write_taps_json(const std::vector<TapRow>& taps, const ProgramStats& stats, bool pretty,
                     const Sink& sink);

}  // namespace ksms
