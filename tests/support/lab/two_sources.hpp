// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

#include "lab/lab.hpp"

namespace ksms::lab {

/// a - ra - m - dst, and b - rb - m; a and b own one address.
struct TwoSources : Lab {
    TwoSources() {
        for (const char* name : {"a", "b", "dst"}) host(name);
        for (const char* name : {"ra", "rb", "m"}) router(name);
        link({"a", "eth1", 1}, {"ra", "eth0", 2}, 1);
        link({"b", "eth1", 1}, {"rb", "eth0", 2}, 2);
        link({"ra", "eth1", 1}, {"m", "eth0", 2}, 3);
        link({"rb", "eth1", 1}, {"m", "eth1", 2}, 4);
        link({"m", "eth2", 1}, {"dst", "eth0", 2}, 5);
        default_route("a", 1, 2);
        default_route("b", 2, 2);
        default_route("ra", 3, 2);
        default_route("rb", 4, 2);
        default_route("dst", 5, 1);
        for (const char* name : {"a", "b"}) ip(name, {"addr add " + shared() + "/32 dev eth1"});
    }
    [[nodiscard]] std::string shared() const { return address(4, 9, 1); }
    [[nodiscard]] std::string target() const { return address(4, 5, 2); }
};

}  // namespace ksms::lab
