// SPDX-License-Identifier: BSD-2-Clause
// The file jobs.db: creation, checks, setting aside.
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

/// Opens or creates the file as JobStore::open() describes.
/// @param wrong  why to set it aside without a check; "": a check decides
[[nodiscard]] Result<OpenedFile> open_file(const std::filesystem::path& directory,
                                           std::string wrong);

}  // namespace ksms
