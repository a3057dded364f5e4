// SPDX-License-Identifier: BSD-2-Clause
// jobs.db as a file: made, checked, set aside, replaced. No step leaves a moment at which a kill -9
// would lose a job.
#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "queue/sqlite.hpp"
#include "queue/store.hpp"

namespace ksms {

struct OpenedFile {
    Database database;
    std::optional<Damage> damage;
};

/// What JobStore::open() promises, up to the connection.
/// @param force  set it aside even if a quick check finds nothing: reading it failed before
[[nodiscard]] Result<OpenedFile> open_file(const std::filesystem::path& directory, double now,
                                           bool force);

/// Readings of one database, the best first.
using Sources = std::span<Database* const>;

/// Copies what can be read of a damaged database into a new, empty one: each job as the first of
/// its readings has it. Only errors of the new one are errors.
/// @param report  complete stays false where it is
[[nodiscard]] Status salvage(Sources sources, Database& fresh, Damage& report);

}  // namespace ksms
