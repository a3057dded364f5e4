// SPDX-License-Identifier: BSD-2-Clause
// Verdicts of single probes -> the report of a scan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "judge/plan.hpp"
#include "judge/report.hpp"
#include "judge/verdict.hpp"

namespace ksms {

/// Takes one verdict after the other, so that 65,535 of them never stand in memory beside the
/// report.
class Summary {
public:
    Summary(const Plan& plan, const std::vector<Service>& services);
    void add(std::size_t entry, std::size_t service, const ProbeVerdict& verdict,
             std::uint32_t sent);
    /// Routers in path order, services end to end, the counts, and what services name by index.
    /// @param words  of the drops
    void finish(const KernelWords& words, Report& report);

private:
    struct Row {
        RouterReport report;
        std::map<std::string, std::size_t> egress, ingress;  ///< interface -> services by it
        std::map<std::string, std::size_t> planned_egress;   ///< of services without a verdict
    };
    struct RowOf {
        std::size_t ends{0}, entry{0}, router{0};
        auto operator<=>(const RowOf&) const = default;
    };
    /// Texts and changes, each once.
    TextIndex text(std::string_view text);
    std::uint32_t change(const Change& change);
    Row& row(const RowOf& of, const ProbeVerdict::AtRouter& at);
    void add_router(const RowOf& of, std::size_t service, const ProbeVerdict::AtRouter& at);
    /// Of one entry.
    struct Ends {
        std::string name;
        std::vector<ServiceReport> services;
        std::vector<bool> filled;
    };
    std::size_t ends_named(const std::string& name);
    void add_end(Ends& ends, std::size_t service, const ProbeVerdict& verdict, std::uint32_t sent);
    void merge(ServiceReport& into, const ProbeVerdict& verdict, std::uint32_t changes);
    [[nodiscard]] ServiceReport of_all(std::size_t service);
    void finish_ends(Report& report);
    void finish_routers(Report& report);
    static void finish_row(Row& row);
    Cause cause_of(const ProbeVerdict& verdict);
    std::vector<ChangeAt> changes_of(const ProbeVerdict& verdict);
    std::uint32_t change_list(std::vector<ChangeAt> list);
    std::uint32_t joined(std::uint32_t all, std::uint32_t more);

    const Plan& plan_;
    const std::vector<Service>& services_;
    std::map<RowOf, Row> rows_;
    std::vector<Ends> ends_;            ///< of each entry of the report, by name
    std::vector<std::size_t> ends_of_;  ///< of each entry of the plan: its place in ends_
    Indexed<TextIndex, std::string> texts_{""};
    std::vector<Change> changes_{{}};
    std::vector<std::vector<ChangeAt>> change_lists_{{}};
    std::map<std::string, TextIndex, std::less<>> text_numbers_{{"", kNoText}};
    std::map<Change, std::uint32_t> change_numbers_;
    std::map<std::vector<ChangeAt>, std::uint32_t> list_numbers_;
};

}  // namespace ksms
