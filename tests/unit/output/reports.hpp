// SPDX-License-Identifier: BSD-2-Clause
// Reports for tests.
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>
#include <vector>

#include "judge/report.hpp"

namespace ksms {

/// Builds a report from cells: one letter per router and service, Y, N, ?, - or a dot.
class ReportBuilder {
public:
    explicit ReportBuilder(const std::vector<std::string>& routers,
                           const std::vector<std::string>& entries = {"ts-hq"});
    /// @param cells  one letter per router, those of the first entry first
    /// @param reason  of a NO: the kernel's, in FORWARD; of an UNKNOWN: as in documents
    /// @param text  further text of the cause (Cause::text)
    ReportBuilder& add(std::uint8_t protocol, std::uint16_t port, std::string_view cells,
                       const std::string& reason = "", const std::string& text = "");
    /// For the last service: number of transmissions, and changes by a router.
    ReportBuilder& sent(std::uint32_t times);
    ReportBuilder& changed(RouterIndex router, const Change& change);
    Report report;

private:
    ServiceReport add_entry(std::size_t entry, const Service& which, std::string_view cells,
                            const std::string& reason, const std::string& detail);
    TextIndex text(const std::string& text);
};

/// The Why with this name in documents; send_failed if it has no fixed word.
Why why_of(std::string_view reason);

/// The example of the documentation.
Report example_report();

}  // namespace ksms
