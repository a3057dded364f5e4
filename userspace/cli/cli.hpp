// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace ksms {

/// ksmsctl. Throws no exception.
int cli_main(int argc, char** argv);

}  // namespace ksms
