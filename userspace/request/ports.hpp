// SPDX-License-Identifier: BSD-2-Clause
// Parses the port list of -P: `80,443/tcp,53/udp,22-25,telnet`, `T:22,80,U:53` (nmap), `-` for all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/service.hpp"

namespace ksms {

/// Grammar, elements separated by commas, spaces around them and empty elements are fine:
///   element = [("T"|"U") ":"] what ["/" ("tcp"|"udp")]       what = PORT | PORT "-" PORT | "-" |
///   NAME
/// A prefix applies until the next one; "/proto" overrides it for its element. "-" is 1-65535;
/// "22-" and "-22" are open ranges as in nmap. Names come from the services database (services(5));
/// if a name exists only for the other protocol and the element names none, that protocol is used.
/// "dns", "smb", "rdp" and "https-alt" are known even if the database lacks them. Duplicates count
/// once, in the order of their first occurrence.
/// @return Code::usage that quotes the element and says what is wrong (port 0, above 65535, range
/// backwards, a letter for a digit, an unknown name with the nearest one)
Result<std::vector<Service>> parse_ports(std::string_view spec, std::uint8_t default_protocol);

/// The number of ports of the longest range in the list ("22-25": 4; a single port: 1).
/// @return the errors of parse_ports()
Result<std::size_t> longest_range(std::string_view spec);

/// `services` without those in `excluded`, in the same order.
std::vector<Service> exclude(const std::vector<Service>& services,
                             const std::vector<Service>& excluded);

}  // namespace ksms
