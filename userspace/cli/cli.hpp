// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace ksms {

/// The whole of ksmsctl. No exception leaves it.
int cli_main(int argc, char** argv);

}  // namespace ksms
