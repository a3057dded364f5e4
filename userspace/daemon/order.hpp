// SPDX-License-Identifier: BSD-2-Clause
// What ksmsd and its workers tell each other: lines of JSON over a socket pair.
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

/// The name that a job's lease is under. Names with this prefix are root's, so no member of the
/// group can take that of a job that waits.
[[nodiscard]] inline std::string lease_name(const std::string& id) {
    return KSMS_SERVICE_PREFIX + id;
}

/// A job as it is to be run now: checked, under the limits that hold now. Nothing in it is read as
/// words by the worker.
struct Order {
    std::string id;
    std::string pin_root;  ///< "": the usual one
    bool detailed{false};
    ScanRequest request;
    std::vector<std::string> namespaces;  ///< those it may use, patterns of glob(7); empty: all
};

/// @param read  what was read of the job's request when it was submitted; nullptr: its text is read
/// @return Code::usage or Code::not_allowed where `config` allows no such job (any more)
Result<Order> make_order(const Job& job, const ScanRequest* read, const Config& config,
                         const std::string& pin_root);

/// How a run ended.
struct RunEnd {
    enum class How {
        done,
        failed,
        stopped,
        no_dscp,   ///< none is free, or the one it asked for is held
        no_name,   ///< its lease's name is held: a worker of a ksmsd that was killed is dying still
        short_of,  ///< the machine has not enough of `what`
    } how{How::failed};
    std::string error;  ///< JSON text of the error object; "": none
    std::string what;   ///< short_of: "memory", "descriptors"; no_dscp: who holds it
    std::uint64_t yes{0}, no{0}, unknown{0};
    std::uint64_t sent{0}, resent{0}, lost{0};  ///< probes
};

/// On one line; what is not UTF-8 is replaced.
[[nodiscard]] std::string dump(const nlohmann::json& value);
/// One line with its newline.
[[nodiscard]] std::string line_of(const Order& order);
[[nodiscard]] Result<Order> read_order(std::string_view line);
[[nodiscard]] std::string event_line(std::string_view event, const nlohmann::json& data);
[[nodiscard]] nlohmann::json json_of(const RunEnd& end);
[[nodiscard]] RunEnd read_end(const nlohmann::json& data);
/// What the machine was short of: "memory", "descriptors", …; "": it was something else.
[[nodiscard]] std::string shortage(const Error& error);
/// {"code","message","hint"}
[[nodiscard]] std::string error_object(const Error& error);

}  // namespace ksms
