// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace ksms {

/// ksmsd: reads its command line, listens, and runs until a signal ends it.
int daemon_main(int argc, char** argv);

}  // namespace ksms
