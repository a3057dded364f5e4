// SPDX-License-Identifier: BSD-2-Clause
// The table of the fields of a request: options of the command line, keys of the body of POST
// /v1/jobs, ranges, help. A test compares docs/openapi.json with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "judge/report.hpp"
#include "request/options.hpp"
#include "route/request.hpp"

namespace ksms {

inline constexpr const char* kRequestSynopsis = "-s SOURCE -d DESTINATION -P PORTS";

/// A scan request and the other options.
struct Asked : ScanRequest {
    std::string id;        ///< of a job; "": the client chose none
    bool detailed{false};  ///< explain instead of scan
    bool dry_run{false};
    std::set<Verdict> fail_on;
    // The source of the services:
    std::string ports, exclude_ports;
    bool udp{false};  ///< protocol of a port without one
    std::optional<std::uint64_t> max_services, range_limit;
    bool force{false};
};

/// Where a request comes from.
enum Place : unsigned {
    in_scan = 1,       ///< ksmsctl scan
    in_explain = 2,    ///< ksmsctl explain
    in_submit = 4,     ///< ksmsctl job submit
    in_fast_job = 8,   ///< the body of POST /v1/jobs
    in_detailed = 16,  ///< … with "type": "detailed"
    in_body = in_fast_job | in_detailed,
};

/// Stores the value of a field.
template <typename T>
using Put = void (*)(Asked& asked, T value);

namespace kind {

struct Switch {
    Put<bool> put;
};
/// One of choices_in(Field::value). @param put  takes the word's index
struct Choice {
    Put<std::size_t> put;
};
struct Whole {
    std::uint64_t least, most;
    Put<std::uint64_t> put;
};
struct Seconds {
    double least, most;
    Put<std::chrono::nanoseconds> put;
};
struct IpAddress {
    Put<Address> put;
};
/// KSMS_DSCPS for an invalid DSCP. The configured range is checked later.
struct Dscp {
    Put<std::uint8_t> put;
};
/// is_job_name()
struct JobName {
    std::size_t most;  ///< bytes
    Put<std::string> put;
};
struct NetnsName {
    Put<std::string> put;
};
struct Text {
    std::size_t least, most;  ///< bytes
    Put<std::string> put;
};
/// yes, no and unknown, separated by commas.
struct Verdicts {
    Put<std::set<Verdict>> put;
};

}  // namespace kind
using Kind = std::variant<kind::Switch, kind::Choice, kind::Whole, kind::Seconds, kind::IpAddress,
                          kind::Dscp, kind::JobName, kind::NetnsName, kind::Text, kind::Verdicts>;

struct Field {
    const char *names, *value, *help;  ///< as in Option
    unsigned places;                   ///< of Place
    Kind kind;
    bool repeatable{false};
    const char* same{nullptr};          ///< the field that this is an alias of
    const char* explain_help{nullptr};  ///< help in explain; nullptr: the same

    [[nodiscard]] std::string name() const { return long_name({names, value, help}); }
};

/// In the order of the help.
[[nodiscard]] std::span<const Field> fields();
/// The options of a command.
[[nodiscard]] std::vector<Option> options_of(Place place);
/// The key of a field in a body: "_" instead of "-".
[[nodiscard]] std::string key_of(std::string name);

}  // namespace ksms
