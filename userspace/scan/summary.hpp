// SPDX-License-Identifier: BSD-2-Clause
// Verdicts of single probes -> the report of a scan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "scan/plan.hpp"
#include "scan/report.hpp"
#include "scan/verdict.hpp"

namespace ksms {

/// Takes one verdict after the other, so that 65,535 of them never stand in memory beside the
/// report.
class Summary {
public:
    Summary(const Plan& plan, const std::vector<Service>& services);
    void add(std::size_t entry, std::size_t service, ProbeVerdict verdict, std::uint32_t sent);
    /// Routers in path order, services end to end, the counts.
    void finish(Report& report);

private:
    struct Row {
        RouterReport report;
        std::map<std::string, std::size_t> egress, ingress;  ///< interface -> services by it
        std::map<std::string, std::size_t> planned_egress;   ///< of services without a verdict
    };
    Row& row(std::size_t entry, const ProbeVerdict::AtRouter& at);
    static void merge(ServiceReport& into, ProbeVerdict verdict);
    void finish_row(Row& row) const;

    const Plan& plan_;
    const std::vector<Service>& services_;
    std::map<std::pair<std::size_t, std::size_t>, Row> rows_;  ///< (entry, router)
    std::vector<ServiceReport> ends_;
    std::vector<bool> filled_;
};

}  // namespace ksms
