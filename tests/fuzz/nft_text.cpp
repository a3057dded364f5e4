// SPDX-License-Identifier: BSD-2-Clause
// What `nft -a list chain` printed, and the rule that has a handle. The first byte is the handle.
#include "explain/nft_path.hpp"

#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string listing(text_of(data + 1, size - 1));
    const auto rule = text_by_handle(listing, data[0]);
    holds(rule.size() <= listing.size());
    holds(rule.find('\n') == std::string::npos);
    holds(rule.empty() || listing.find(std::to_string(data[0])) != std::string::npos);
    return 0;
}
