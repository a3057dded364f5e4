// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "http/message.hpp"

namespace ksms {

/// userspace/http/page.html as it was built in, and the hashes of its style and script.
[[nodiscard]] HttpPage built_in_page();

}  // namespace ksms
