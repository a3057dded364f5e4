// SPDX-License-Identifier: BSD-2-Clause
#include "os/descriptor_limit.hpp"

#include <sys/resource.h>

namespace ksms {
namespace {

rlim_t started_with = RLIM_INFINITY;  ///< RLIM_INFINITY: nothing was raised

}  // namespace

void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) started_with = before;
}

void restore_descriptor_limit() {
    rlimit limit{};
    if (started_with == RLIM_INFINITY || getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = started_with;
    setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace ksms
