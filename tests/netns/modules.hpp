// SPDX-License-Identifier: BSD-2-Clause
// Something between r1 and r2, or in one of them, which a module of the kernel brings.
#pragma once

#include <string>
#include <vector>

#include "lab/truth.hpp"

namespace ksms::lab {

/// 22/tcp goes through it, and r2's firewall stops 23/tcp behind it.
struct Feature {
    const char* name;
    /// Commands for a shell in r1, then r2, once "sw" is ready. $a, $b, $a6, $b6: the addresses of
    /// r1 and r2 on their link; $to, $to6: the destination's subnet; $tmp: a directory.
    std::string at_r1, at_r2;
    std::string device{};  ///< that joins them now, by link 4; "": eth1 and eth0 still do
    std::vector<int> families{4, 6};
    /// Commands for a third namespace, "sw", which does not forward; $r1, $r2: the names of theirs.
    std::string between{};
    std::string table{};  ///< of routes: " table 10"
    bool routed{true};    ///< false: at_r1 and at_r2 make the routes too
};

/// src - r1 - r2 - dst with it.
void build_feature(Lab& lab, const Feature& feature);
/// Is that what plain packets meet?
bool feature_works(const Lab& lab, int family);
/// A scan in each of these ways of asking, and an explanation.
void check_feature(const Lab& lab, int family, const std::vector<Asked>& ways);
/// Each in a lab of its own, for each family: the first one in every way of asking, the other one,
/// since an emulated guest is slow, by clsact and isolated.
void check_features(const std::vector<Feature>& features);
/// Commands for a shell in a node.
void shell(const Lab& lab, const std::string& node, const std::string& commands);

}  // namespace ksms::lab
