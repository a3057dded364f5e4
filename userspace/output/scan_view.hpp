// SPDX-License-Identifier: BSD-2-Clause
// What the text of a scan shows. Made of the scan's report, or of its document where ksmsd ran it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/service.hpp"
#include "judge/report.hpp"

namespace ksms {

enum class Cell : std::uint8_t { yes, no, unknown, stopped_before, not_on_path };

struct ScanView {
    std::string source, destination, mode, job, state;
    bool ipv6{false};
    std::uint8_t dscp{0};
    Timing timing;
    std::vector<std::string> entries;

    struct Router {
        std::string name, entry, iface, ingress_iface;
        std::uint32_t hop{0};
    };
    std::vector<Router> routers;

    /// A service, or several neighbours that share a row.
    struct Row {
        Service first;
        std::size_t count{1};
        std::vector<Cell> cells;  ///< one for each router
        Verdict end{Verdict::unknown};
        std::string why, place;
    };
    std::vector<Row> rows;

    std::uint32_t yes{0}, no{0}, unknown{0};
    std::map<std::string, std::size_t> stops;  ///< services that each router stopped
    std::string hint;                          ///< what to do about UNKNOWN; "": nothing
};

ScanView view_of(const Report& report);

/// @param document  ksms.scan/1
/// @return Code::failed where it is none
Result<ScanView> view_of_document(std::string_view document);

/// What to do about the first UNKNOWN; "": there is none.
std::string hint_text(const Report& report);

}  // namespace ksms
