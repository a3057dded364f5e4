// SPDX-License-Identifier: BSD-2-Clause
// ksms.scan/1, as `ksmsctl job` has it from the service.
#include "holds.hpp"
#include "output/scan_view.hpp"
#include "output/text.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = text_of(data, size);
    const auto view = view_of_document(text);
    if (!view) return 0;
    holds(text.find('\0') == std::string_view::npos);
    for (const auto& table : view->tables) {
        for (const auto& row : table.rows) {
            holds(row.cells.size() == table.routers.size());
            holds(row.first.port + row.count <= 65536);
        }
    }
    TextStyle style;
    style.details = true;
    const auto shown = scan_text(*view, style);
    holds(!shown.empty() && is_utf8(shown));
    return 0;
}
