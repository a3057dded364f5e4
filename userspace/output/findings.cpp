// SPDX-License-Identifier: BSD-2-Clause
#include "output/findings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace ksms {

std::string findings_text(const std::vector<Finding>& findings, bool repair) {
    if (findings.empty()) return "the registry is in order\n";
    std::string text;
    for (const auto& finding : findings) {
        const auto remedy = printable(finding.remedy);
        text += fmt::format("{}\n    {}\n", printable(finding.what), printable(finding.why));
        if (finding.repaired)
            text += fmt::format("    repaired: {}\n", remedy);
        else
            text += fmt::format("    {}: {}\n", repair ? "left" : "--repair", remedy);
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
