// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ksms {

/// Writes all of it, however many calls of write(2) that takes. Where the kernel has no memory for
/// it (ENOBUFS, ENOMEM) it is tried again for a second.
/// @param name  of the file, for the message; "" where nobody reads it
[[nodiscard]] Status write_all(int fd, std::string_view bytes, const std::string& name);

}  // namespace ksms
