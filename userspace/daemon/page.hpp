// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string_view>

namespace ksms {

/// userspace/http/page.html, as it was built in.
[[nodiscard]] std::string_view page_html();

}  // namespace ksms
