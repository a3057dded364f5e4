// SPDX-License-Identifier: BSD-2-Clause
// jobs.db as a file: made, checked, set aside.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "queue/sqlite.hpp"
#include "queue/store.hpp"

namespace ksms {

struct OpenedFile {
    Database database;
    std::optional<Damage> damage;
};

/// What JobStore::open() promises, up to the connection.
/// @param wrong  why it is set aside without a check; "": a check decides
[[nodiscard]] Result<OpenedFile> open_file(const std::filesystem::path& directory,
                                           std::string wrong);

}  // namespace ksms
