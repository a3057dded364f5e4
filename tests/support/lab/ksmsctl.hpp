// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl as a user runs it, and its answers as values.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lab/lab.hpp"

namespace ksms::lab {

using Environment = std::map<std::string, std::string>;

/// With the lab's own pin root and temporary directory.
Command ksmsctl(const Lab& lab, const std::vector<std::string>& arguments,
                const Environment& environment = {});

/// A document that `ksmsctl scan -j` printed.
class Scan {
public:
    Scan(const Lab& lab, Outcome outcome);

    [[nodiscard]] int exit() const { return outcome_.exit; }
    [[nodiscard]] const Outcome& outcome() const { return outcome_; }
    [[nodiscard]] const nlohmann::json& document() const { return document_; }
    /// Exit status, standard error and the document: for INFO().
    [[nodiscard]] std::string text() const;

    /// A member of the document; null where there is none.
    [[nodiscard]] nlohmann::json field(const std::string& name) const;
    /// A figure of its summary; -1 where there is none.
    [[nodiscard]] int count(const std::string& figure) const;
    /// Its error as text, "" where there is none.
    [[nodiscard]] std::string error() const;

    /// The row of a router (short name) for a service; null where there is none.
    [[nodiscard]] nlohmann::json at(const std::string& node, const std::string& protocol, int port,
                                    const std::string& entry = "") const;
    /// "YES", "NO", "UNKNOWN", or "-": no row.
    [[nodiscard]] std::string verdict(const std::string& node, const std::string& protocol,
                                      int port, const std::string& entry = "") const;
    /// The row of `services`: end to end; from one of several entries alone, if one is named.
    [[nodiscard]] nlohmann::json end(const std::string& protocol, int port,
                                     const std::string& entry = "") const;
    [[nodiscard]] std::string result(const std::string& protocol, int port) const;
    [[nodiscard]] bool has_note(const std::string& node, const std::string& protocol, int port,
                                const std::string& beginning) const;

private:
    const Lab& lab_;
    Outcome outcome_;
    nlohmann::json document_;  ///< discarded where it was not exactly one document
};

/// `ksmsctl scan -j -s SOURCE -d DESTINATION -P PORTS MORE…`
std::vector<std::string> scan_arguments(const std::string& source, const std::string& destination,
                                        const std::string& ports,
                                        const std::vector<std::string>& more = {});
Scan scan(const Lab& lab, const std::string& source, const std::string& destination,
          const std::string& ports, const std::vector<std::string>& more = {},
          const Environment& environment = {});

}  // namespace ksms::lab
