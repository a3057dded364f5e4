// SPDX-License-Identifier: BSD-2-Clause
// Where damaged files go: jobs.db.damaged-N and jobs.db.damaged-N-wal. Sixteen are kept; the last
// gives way to a newer one, for the first ones say most.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace ksms {

/// The path of a file beside it: with("jobs.db", "-wal").
[[nodiscard]] std::filesystem::path with(std::filesystem::path file, const std::string& more);

/// @param back  0: the first name that is free for a file and its log; 1: the one before it
[[nodiscard]] std::filesystem::path aside_name(const std::filesystem::path& file, int back);

/// On disk when this returns.
[[nodiscard]] Status copy_of(const std::filesystem::path& from, const std::filesystem::path& to);

/// Puts `fresh` where `file` is, and `file` with its log at `aside`. The file first, its log after
/// it, the new one last: until then the new one lies ready, and whoever finds no jobs.db goes on
/// here.
[[nodiscard]] Status replace(const std::filesystem::path& file, const std::filesystem::path& aside,
                             const std::filesystem::path& fresh, int directory);

}  // namespace ksms
