// SPDX-License-Identifier: BSD-2-Clause
#include "lab/explain.hpp"

#include "lab/chain.hpp"

namespace ksms::lab {

using nlohmann::json;

std::vector<std::string> explain_arguments(const Lab& lab, int family, const std::string& ports,
                                           const std::vector<std::string>& more) {
    auto arguments =
        scan_arguments(chain_source(lab, family), chain_destination(lab, family), ports, more);
    arguments.front() = "explain";
    return arguments;
}

json Explained::hop(const std::string& node, const std::string& protocol, int port) const {
    const auto row = service(protocol, port);
    if (!row.is_object()) return nullptr;
    for (const auto& each : row["hops"])
        if (each["name"] == lab_.netns(node)) return each;
    return nullptr;
}

std::string Explained::verdict(const std::string& node, const std::string& protocol,
                               int port) const {
    const auto found = hop(node, protocol, port);
    return found.is_null() ? "-" : found["result"].get<std::string>();
}

std::string Explained::at_hook(const std::string& node, const std::string& protocol, int port,
                               const std::string& hook) const {
    const auto found = hop(node, protocol, port);
    if (found.is_null()) return "-";
    for (const auto& each : found["hooks"])
        if (each["hook"] == hook) return each["result"];
    return "-";
}

Explained explain(const Lab& lab, int family, const std::string& ports,
                  const std::vector<std::string>& more, const Environment& environment) {
    return {lab, run(ksmsctl(lab, explain_arguments(lab, family, ports, more), environment))};
}

}  // namespace ksms::lab
