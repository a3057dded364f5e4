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
    struct Router {
        std::string name, entry, iface, ingress_iface;
        std::uint32_t hop{0};
    };

    /// A service, or consecutive ports with equal rows.
    struct Row {
        Service first;
        std::size_t count{1};
        std::vector<Cell> cells;  ///< one for each router of the table
        Verdict end{Verdict::unknown};
        std::string why, place;
        bool operator==(const Row&) const = default;
    };
    struct Table {
        std::string entry;
        std::vector<Router> routers;
        std::vector<Row> rows;
        /// Does a reader see the same under both?
        [[nodiscard]] bool looks_like(const Table& other) const;
    };
    std::vector<Table> tables;  ///< one for each entry

    std::uint32_t yes{0}, no{0}, unknown{0}, mixed{0};
    std::uint32_t by_class{0};                 ///< services that were not probed themselves
    std::map<std::string, std::size_t> stops;  ///< services that each router stopped
    std::string hint;                          ///< what to do about UNKNOWN or MIXED; "": nothing
};

ScanView view_of(const Report& report);

/// @param document  ksms.scan/1
/// @return Code::failed if it is not such a document
Result<ScanView> view_of_document(std::string_view document);

}  // namespace ksms
