// SPDX-License-Identifier: BSD-2-Clause
// libcurl, loaded when it is first used: it brings thirty libraries along, which would cost every
// command 8 ms of its start, and most of them speak no HTTP.
#pragma once

// Its checks of types are macros, which name the functions themselves.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/error.hpp"

namespace ksms {

/// Those functions of libcurl that are used, as each(NAME), without "curl_".
#define KSMS_CURL_FUNCTIONS(each)                                                             \
    each(global_init) each(easy_init) each(easy_cleanup) each(easy_setopt) each(easy_getinfo) \
        each(easy_nextheader) each(easy_perform) each(easy_strerror) each(slist_append)       \
            each(slist_free_all)

struct Curl {
#define KSMS_CURL_MEMBER(name) decltype(&::curl_##name) name{};
    KSMS_CURL_FUNCTIONS(KSMS_CURL_MEMBER)
#undef KSMS_CURL_MEMBER

    /// The library, loaded once. An error where it is not installed.
    [[nodiscard]] static Result<const Curl*> load();
};

}  // namespace ksms
