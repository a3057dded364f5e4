// SPDX-License-Identifier: BSD-2-Clause
// jobs.db as a file: made, checked, set aside, replaced. No step leaves a moment at which a kill -9
// would lose a job.
#pragma once

#include <filesystem>
#include <optional>

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

/// Copies what can be read of a damaged database into a new, empty one. Only errors of the new one
/// are errors.
[[nodiscard]] Status salvage(Database& damaged, Database& fresh, Damage& report);

}  // namespace ksms
