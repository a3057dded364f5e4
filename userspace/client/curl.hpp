// SPDX-License-Identifier: BSD-2-Clause
// Loads libcurl when it is first used. It depends on thirty libraries, which would add 8 ms to the
// start of every command, and most commands do not use HTTP.
#pragma once

// The type checks of libcurl are macros that hide the function names.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/error.hpp"

namespace ksms {

/// The functions of libcurl in use, as each(NAME), without "curl_".
#define KSMS_CURL_FUNCTIONS(each)                                                             \
    each(global_init) each(easy_init) each(easy_cleanup) each(easy_setopt) each(easy_getinfo) \
        each(easy_nextheader) each(easy_perform) each(easy_strerror) each(slist_append)       \
            each(slist_free_all)

struct Curl {
#define KSMS_CURL_MEMBER(name) decltype(&::curl_##name) name{};
    KSMS_CURL_FUNCTIONS(KSMS_CURL_MEMBER)
#undef KSMS_CURL_MEMBER

    /// Loads the library once. An error if it is not installed.
    [[nodiscard]] static Result<const Curl*> load();
};

}  // namespace ksms
