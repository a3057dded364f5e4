// SPDX-License-Identifier: BSD-2-Clause
// The rules of iptables-legacy as the kernel keeps them. For the files of this room.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "os/netns.hpp"

namespace ksms {

/// A match or a target of an xtables rule.
struct XtPart {
    std::string_view name;
    std::uint32_t revision{0};
    std::span<const std::uint8_t> info;  ///< as its kernel module defines it
};

/// A rule. It refers to the bytes of its table.
struct XtRule {
    std::string chain;         ///< as jumps name it: the offset of its first rule
    std::string text;          ///< for people: "iptables -t filter FORWARD 3"
    std::uint8_t protocol{0};  ///< 0: any, or all but one
    bool goes{false};          ///< its jump does not come back
    bool whole{false};         ///< false: it is cut short, and the parts are some of its parts
    std::vector<XtPart> matches;
    XtPart target;
};

/// A table with its entries, as IPT_SO_GET_ENTRIES or IP6T_SO_GET_ENTRIES returns them.
struct XtTable {
    std::string name;
    std::vector<std::uint32_t> begins;  ///< by hook; all ones: the table has none there
    std::vector<std::uint8_t> entries;
};

/// Those of a namespace. Another one is not read, because reading it would create it.
/// @param family  AF_INET or AF_INET6
Result<std::vector<XtTable>> xt_tables(const Netns& netns, int family);

/// The rules of a table in their order, up to the first whose size cannot be.
std::vector<XtRule> xt_rules(const XtTable& table, int family);

}  // namespace ksms
