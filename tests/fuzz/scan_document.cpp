// SPDX-License-Identifier: BSD-2-Clause
// ksms.scan/1, as `ksmsctl job` has it from the service.
#include "holds.hpp"
#include "output/json.hpp"
#include "output/read_scan.hpp"
#include "output/text.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

std::string written(const Report& report) {
    std::string text;
    write_scan_json(report, false, [&](std::string_view piece) { text += piece; });
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = text_of(data, size);
    const auto report = read_scan_json(text);
    if (!report) return 0;
    holds(text.find('\0') == std::string_view::npos);
    for (const auto& router : report->routers)
        for (const auto& each : router.services) holds(each.service < report->services.size());
    // Times are shortened to microseconds when they are written, so it is compared from then on.
    const auto document = written(*report);
    const auto again = read_scan_json(document);
    holds(again && written(*again) == document);
    TextStyle style;
    style.details = true;
    holds(!scan_text(*report, style).empty());
    return 0;
}
