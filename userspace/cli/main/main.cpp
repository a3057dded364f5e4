// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.hpp"

int main(int argc, char** argv) {
    return ksms::cli_main(argc, argv);
}
