// SPDX-License-Identifier: BSD-2-Clause
// Messages between ksmsd and its workers: lines of JSON over a socket pair.
//
//     ksmsd -> worker   an order: one job
//     worker -> ksmsd   {"event":"leased","data":{"dscp":33}}           it holds this DSCP
//                       {"event":"progress","data":{…}}, {"event":"verdict","data":{…}}
//                       {"event":"result","data":{"size":N}}            N bytes follow: the
//                       document
//                       {"event":"end","data":{…}}                      see RunEnd; last
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "ksms/abi.h"
#include "queue/job.hpp"
#include "route/request.hpp"

namespace ksms {

/// The name of a job's lease. Only root may use this prefix, so no member of the group can block a
/// queued job by taking its name.
[[nodiscard]] inline std::string lease_name(const std::string& id) {
    return KSMS_SERVICE_PREFIX + id;
}

/// A job to run now: parsed, and checked against the present limits.
struct Order {
    std::string id;
    std::string pin_root;  ///< "": the usual one
    bool detailed{false};
    ScanRequest request;
    std::vector<std::string> namespaces;  ///< those it may use, patterns of glob(7); empty: all
};

/// @param read  the request as it was parsed at submission; nullptr: its text is parsed
/// @return Code::usage or Code::not_allowed if `config` does not allow the job (any more)
Result<Order> make_order(const Job& job, const ScanRequest* read, const Config& config,
                         const std::string& pin_root);

/// How a run ended.
struct RunEnd {
    enum class How {
        done,
        failed,
        stopped,
        no_dscp,   ///< none is free, or the requested one is held
        no_name,   ///< its lease name is taken: a worker of a killed ksmsd has not ended yet
        short_of,  ///< lack of `what`
    } how{How::failed};
    std::string error;  ///< JSON text of the error object; "": none
    std::string what;   ///< short_of: "memory", "descriptors"; no_dscp: who holds it
    std::uint64_t yes{0}, no{0}, unknown{0}, mixed{0};
    std::uint64_t sent{0}, resent{0}, lost{0};  ///< probes
};

/// JSON text on one line; invalid UTF-8 is replaced.
[[nodiscard]] std::string dump(const nlohmann::json& value);
/// One line with its newline.
[[nodiscard]] std::string line_of(const Order& order);
[[nodiscard]] Result<Order> read_order(std::string_view line);
[[nodiscard]] std::string event_line(std::string_view event, const nlohmann::json& data);
[[nodiscard]] nlohmann::json json_of(const RunEnd& end);
[[nodiscard]] RunEnd read_end(const nlohmann::json& data);
/// The resource that was short: "memory", "descriptors", …; "": another error.
[[nodiscard]] std::string shortage(const Error& error);
/// {"code","message","hint"}
[[nodiscard]] std::string error_object(const Error& error);

}  // namespace ksms
