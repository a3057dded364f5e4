// SPDX-License-Identifier: BSD-2-Clause
// 22/tcp and 53/udp pass all routers to a destination that ksms cannot look into.
#pragma once

#include <catch2/catch.hpp>

#include "lab/truth.hpp"

namespace ksms::lab {

inline void check_all_pass(const Lab& lab, int family, const std::vector<Asked>& ways) {
    for (const auto& asked : ways) {
        const auto result =
            ask(lab, two_source(lab, family), unseen_destination(lab, family), "22,53/udp", asked);
        INFO("IPv" << family << ", " << asked.name << "\n" << result.text());
        CHECK(result.verdict("r2", "tcp", 22) == "YES");
        CHECK(result.verdict("r2", "udp", 53) == "YES");
        CHECK(result.result("tcp", 22) == "YES");
        CHECK(result.result("udp", 53) == "YES");
    }
}

inline bool all_arrive(const Lab& lab, int family) {
    return observe(lab, unseen_destination(lab, family), {{"tcp", 22}, {"udp", 53}}) ==
           std::vector<bool>{true, true};
}

}  // namespace ksms::lab
