// SPDX-License-Identifier: BSD-2-Clause
#include "output/findings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ksms {

std::string findings_text(const std::vector<Finding>& findings, bool repair) {
    if (findings.empty()) return "the registry is in order\n";
    std::string text;
    for (const auto& finding : findings) {
        text += fmt::format("{}\n    {}\n", finding.what, finding.why);
        if (finding.repaired)
            text += fmt::format("    repaired: {}\n", finding.remedy);
        else
            text += fmt::format("    {}: {}\n", repair ? "left" : "--repair", finding.remedy);
    }
    return text;
}

void write_findings_json(const std::vector<Finding>& findings, bool repair, bool pretty,
                         const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.registry-check/1").field("repair", repair);
    json.key("findings").begin_array();
    for (const auto& finding : findings) {
        json.begin_object();
        json.field("what", finding.what).field("why", finding.why);
        json.field("remedy", finding.remedy).field("repaired", finding.repaired);
        json.end_object();
    }
    json.end_array().end_object();
}

}  // namespace ksms
