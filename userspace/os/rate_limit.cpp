// SPDX-License-Identifier: BSD-2-Clause
#include "os/rate_limit.hpp"

#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>

#include <algorithm>
#include <cstring>

#include "base/clock.hpp"

namespace ksms {

using namespace std::chrono_literals;

namespace {

/// Nothing if the match has another size than in this header.
template <typename T>
std::optional<T> read_as(std::span<const std::uint8_t> info, std::size_t at) {
    T value{};
    if (info.size() < at + sizeof value) return std::nullopt;
    std::memcpy(&value, info.data() + at, sizeof value);
    return value;
}

template <typename Config>
nanoseconds hashlimit_interval(std::span<const std::uint8_t> info, std::size_t at,
                               std::uint64_t scale) {
    const auto config = read_as<Config>(info, at);
    if (!config || (config->mode & XT_HASHLIMIT_BYTES) != 0) return kUsualInterval;
    return interval_of(config->avg * (in_ns(1s) / scale));
}

}  // namespace

std::optional<nanoseconds> xtables_interval(std::string_view name, std::uint32_t revision,
                                            std::span<const std::uint8_t> info) {
    if (name == "limit") {
        const auto limit = read_as<xt_rateinfo>(info, 0);
        return limit ? interval_of(limit->avg * (in_ns(1s) / XT_LIMIT_SCALE)) : kUsualInterval;
    }
    if (name == "connlimit") return kConnections;
    if (name != "hashlimit") return std::nullopt;
    switch (revision) {
        case 1:
            return hashlimit_interval<hashlimit_cfg1>(info, offsetof(xt_hashlimit_mtinfo1, cfg),
                                                      XT_HASHLIMIT_SCALE);
        case 2:
            return hashlimit_interval<hashlimit_cfg2>(info, offsetof(xt_hashlimit_mtinfo2, cfg),
                                                      XT_HASHLIMIT_SCALE_v2);
        case 3:
            return hashlimit_interval<hashlimit_cfg3>(info, offsetof(xt_hashlimit_mtinfo3, cfg),
                                                      XT_HASHLIMIT_SCALE_v2);
        default: return kUsualInterval;
    }
}

nanoseconds interval_of(std::uint64_t ns) {
    constexpr std::chrono::years century{100};
    return std::min<nanoseconds>(from_ns(ns), century);
}

bool only_notes(std::string_view target) {
    static constexpr std::string_view names[] = {"",      "LOG",   "NFLOG", "ULOG",
                                                 "TRACE", "AUDIT", "LED"};
    return std::ranges::find(names, target) != std::end(names);
}

Result<std::vector<RateLimit>> rate_limits(const Netns& netns, int family) {
    std::vector<RateLimit> limits;
    KSMS_CHECK(add_nft_limits(netns, family, limits));
    KSMS_CHECK(add_legacy_limits(netns, family, limits));
    return limits;
}

}  // namespace ksms
