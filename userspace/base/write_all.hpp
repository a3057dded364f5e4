// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ksms {

/// Writes all bytes. Retries for a second if the kernel has no memory (ENOBUFS, ENOMEM).
/// @param name  of the file, for the error message
[[nodiscard]] Status write_all(int fd, std::string_view bytes, const std::string& name);

}  // namespace ksms
