// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/allowance.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <string_view>

namespace ksms {
namespace {

constexpr const char* kHint = "\"ksms.allow\" of the configuration says what members may ask";

bool is_allowed(const std::vector<std::string>& namespaces, const std::string& name) {
    return namespaces.empty() || std::ranges::any_of(namespaces, [&](const std::string& pattern) {
               return ::fnmatch(pattern.c_str(), name.c_str(), FNM_NOESCAPE) == 0;
           });
}

Status check(const std::vector<std::string>& namespaces, const char* option,
             const std::string& name) {
    if (name.starts_with('/'))
        return fail(Code::not_allowed, fmt::format("{} {}: a path is root's to name", option, name),
                    "a name of `ip netns`, pid:N, or host");
    if (is_allowed(namespaces, name)) return {};
    return fail(Code::not_allowed,
                fmt::format("{} {}: members may not use this namespace", option, name), kHint);
}

}  // namespace

Status allows(const Allowance& allowance, const ScanRequest& request) {
    if (!allowance.sources.empty() &&
        std::ranges::none_of(allowance.sources,
                             [&](const Prefix& each) { return each.contains(request.source); }))
        return fail(
            Code::not_allowed,
            fmt::format("source {}: members may not send from this address", request.source.text()),
            kHint);
    if (request.isolated && !allowance.isolated)
        return fail(Code::not_allowed, "mode isolated: members may not use it", kHint);
    if (!request.source_netns.empty())
        KSMS_CHECK(check(allowance.namespaces, "source_netns", request.source_netns));
    for (const auto& router : request.routers)
        KSMS_CHECK(check(allowance.namespaces, "router", router));
    for (const auto& inject : request.inject)
        KSMS_CHECK(check(allowance.namespaces, "inject", inject.substr(0, inject.rfind(':'))));
    return {};
}

Status allows(const std::vector<std::string>& namespaces, const Plan& plan) {
    const auto refuse = [](const char* what, const std::string& name) {
        return fail(Code::not_allowed,
                    fmt::format("{} {}: members may not use this namespace", what, name), kHint);
    };
    for (const auto& entry : plan.entries)
        if (!is_allowed(namespaces, entry.netns.name()))
            return refuse("the probes would leave from", entry.netns.name());
    for (const auto& router : plan.routers)
        if (!is_allowed(namespaces, router.netns.name()))
            return refuse("the probes would pass", router.netns.name());
    return {};
}

void slow_down(const Allowance& allowance, ScanRequest& request) {
    if (allowance.rate_pps == 0) return;
    request.rate_pps =
        request.rate_pps == 0 ? allowance.rate_pps : std::min(request.rate_pps, allowance.rate_pps);
}

}  // namespace ksms
