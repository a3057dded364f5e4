// SPDX-License-Identifier: BSD-2-Clause
// Reads and checks /etc/ksms/config.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "registry/registry.hpp"

namespace ksms {

/// What members of the group may request from ksmsd: "ksms.allow". Root may request anything.
struct Allowance {
    std::vector<std::string> namespaces;  ///< patterns of glob(7); empty: all
    std::vector<Prefix> sources;          ///< empty: all
    std::uint64_t rate_pps{0};            ///< probes a second of one job; 0: no limit
    bool isolated{true};
};

/// The keys of ksmsd, under "ksms".
struct ServiceConfig {
    std::string state_directory{"/var/lib/ksms"};
    std::string socket{"/run/ksms/ksmsd.sock"};
    std::uint16_t http_port{0};              ///< on 127.0.0.1; 0: none
    std::chrono::seconds keep_for{604'800};  ///< finished jobs and their results
    std::uint64_t keep_jobs{10'000};         ///< limit of finished jobs
    std::uint64_t max_queued{10'000};        ///< unfinished jobs
    std::uint64_t max_queued_user{1'000};    ///< … of one user
    std::uint64_t keep_bytes{1ULL << 31};    ///< of results of finished jobs
    std::uint32_t max_parallel_user{0};      ///< fast jobs of one user at once; 0: three in four
    std::uint32_t submit_rate_user{20};      ///< jobs a second of one user
    Allowance allow;
};

struct Config {
    RegistryLimits limits;        ///< dscp_range_min, dscp_range_max, max_concurrent_jobs,
                                  ///< allocation_timeout, ksms.dscp_exclude
    bool registry_enabled{true};  ///< false: one DSCP for all, one job after the other
    std::chrono::seconds cleanup_interval{300};
    bool parallel_execution{true};
    std::uint32_t max_parallel_fast_jobs{8};
    double utilization_warning{0.8};  ///< 0 to 1: share of the DSCPs in use
    ServiceConfig service;
    std::vector<std::string> warnings;  ///< unknown keys
};

/// @param name  of the file, for the messages
/// @return Code::usage naming the key and the line of what is wrong
Result<Config> parse_config(std::string_view text, const std::string& name);

/// @param option  the value of --config; "": the default file, which may be missing
Result<Config> load_config(const std::string& option);

}  // namespace ksms
