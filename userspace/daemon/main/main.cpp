// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/daemon.hpp"

int main(int argc, char** argv) {
    return ksms::daemon_main(argc, argv);
}
