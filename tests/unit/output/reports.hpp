// SPDX-License-Identifier: BSD-2-Clause
// Reports made by hand.
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/name.hpp"
#include "scan/report.hpp"

namespace ksms {

/// A report whose routers' answers are drawn: one letter a router and service, Y, N, ?, - or a dot.
class ReportBuilder {
public:
    explicit ReportBuilder(const std::vector<std::string>& routers,
                           const std::vector<std::string>& entries = {"ts-hq"});
    /// @param cells  as many letters as there are routers, those of the first entry first
    ReportBuilder& add(std::uint8_t protocol, std::uint16_t port, std::string_view cells,
                       const std::string& why = "", const std::string& reason = "");
    Report report;
};

/// The example of the documentation.
Report example_report();

}  // namespace ksms
