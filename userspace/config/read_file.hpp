// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

#include "base/error.hpp"

namespace ksms {

/// Reads a file of at most 1 MiB, else Code::usage.
/// @param hint  for the error
Result<std::string> read_file(const std::string& path, const std::string& hint = {});

}  // namespace ksms
