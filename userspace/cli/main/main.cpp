// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.hpp"

int main(int argc, char** argv) {
    return ksms::cli_main(argc, argv);
}
