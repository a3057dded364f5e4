// SPDX-License-Identifier: BSD-2-Clause
// The types of another version's maps: where the fields of its records are. The first two bytes
// are the size of a value and the id of its type.
#include "bpf/record_layout.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::vector<std::uint8_t> value(data[0], 'x'), types(data + 2, data + size);
    const auto layout = RecordLayout::parse(types, data[1], data[0], "FILE");
    if (!layout) return 0;
    static constexpr std::array fields{"state", "owner_pid", "owner_start", "expires_ns",
                                       "job",   "user",      "abi",         ""};
    for (const auto* field : fields) {
        const auto number = layout->number(value, field);
        const auto text = layout->text(value, field);
        holds(number.has_value() == text.has_value());
        if (text) holds(!text->empty() && text->size() <= value.size());
        if (number) holds((*number & 0xff) == 'x');
    }
    return 0;
}
