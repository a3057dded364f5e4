// SPDX-License-Identifier: BSD-2-Clause
// `ksmsctl explain -j` and its answer as values.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lab/ksmsctl.hpp"

namespace ksms::lab {

/// `ksmsctl explain -j` from the chain's source to its destination.
std::vector<std::string> explain_arguments(const Lab& lab, int family, const std::string& ports,
                                           const std::vector<std::string>& more = {});

/// A document that it printed.
class Explained {
public:
    Explained(const Lab& lab, Outcome outcome) : result_(lab, std::move(outcome)), lab_(lab) {}

    [[nodiscard]] int exit() const { return result_.exit(); }
    [[nodiscard]] std::string text() const { return result_.text(); }
    [[nodiscard]] const Scan& result() const { return result_; }
    /// The service's row; null where there is none.
    [[nodiscard]] nlohmann::json service(const std::string& protocol, int port) const {
        return result_.end(protocol, port);
    }
    /// A namespace (short name) on the service's way; null where it is not.
    [[nodiscard]] nlohmann::json hop(const std::string& node, const std::string& protocol,
                                     int port) const;
    /// "YES", "NO", "UNKNOWN", or "-".
    [[nodiscard]] std::string verdict(const std::string& node, const std::string& protocol,
                                      int port) const;
    /// What the probe met at a hook: "passed", "dropped", …; "-": there is none.
    [[nodiscard]] std::string at_hook(const std::string& node, const std::string& protocol,
                                      int port, const std::string& hook) const;

private:
    Scan result_;
    const Lab& lab_;
};

Explained explain(const Lab& lab, int family, const std::string& ports,
                  const std::vector<std::string>& more = {}, const Environment& environment = {});

}  // namespace ksms::lab
