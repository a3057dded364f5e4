// SPDX-License-Identifier: BSD-2-Clause
// The content of the text of a scan. Made from the report of a scan, or from its document if ksmsd
// ran it.
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
    std::uint8_t dscp{0}, carried_dscp{0};
    Timing timing;
    std::vector<std::string> entries;

    struct Router {
        std::string name, entry, iface, ingress_iface;
        std::uint32_t hop{0};
    };
    std::vector<Router> routers;

    /// A service, or consecutive ports with equal rows.
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
/// @return Code::failed if it is not such a document
Result<ScanView> view_of_document(std::string_view document);

/// What to do about the first UNKNOWN; "" if there is none.
std::string hint_text(const Report& report);

}  // namespace ksms
