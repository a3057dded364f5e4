// SPDX-License-Identifier: BSD-2-Clause
// For tests that take away or measure what a sanitizer uses: memory, descriptors, LD_PRELOAD,
// seccomp, SIGSEGV, a process without threads.
#pragma once

#include <catch2/catch.hpp>

namespace ksms::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace ksms::test

#define SKIP_IF_SANITIZED()                                           \
    do {                                                              \
        if (ksms::test::kSanitized) {                                 \
            WARN("SKIP: a sanitizer uses what this test takes away"); \
            return;                                                   \
        }                                                             \
    } while (false)
