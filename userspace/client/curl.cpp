// SPDX-License-Identifier: BSD-2-Clause
#include "client/curl.hpp"

#include <dlfcn.h>

namespace ksms {
namespace {

Result<Curl> load_library() {
    void* library = nullptr;
    // The two builds of libcurl in Debian.
    for (const char* name : {"libcurl-gnutls.so.4", "libcurl.so.4"})
        if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        return fail(Code::failed, std::string("load libcurl: ") + dlerror(),
                    "apt install libcurl3-gnutls");
    Curl curl;
    bool all = true;
    const auto find = [&]<typename F>(const char* name, F& function) {
        function = reinterpret_cast<F>(dlsym(library, name));
        all &= function != nullptr;
    };
#define KSMS_CURL_FIND(name) find("curl_" #name, curl.name);
    KSMS_CURL_FUNCTIONS(KSMS_CURL_FIND)
#undef KSMS_CURL_FIND
    if (!all || curl.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return fail(Code::failed, "libcurl cannot be used", "version 7.85 or later is needed");
    return curl;
}

}  // namespace

Result<const Curl*> Curl::load() {
    static const auto loaded = load_library();
    if (!loaded) return std::unexpected(loaded.error());
    return &*loaded;
}

}  // namespace ksms
