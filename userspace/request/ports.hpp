// SPDX-License-Identifier: BSD-2-Clause
// The port list of -P: `80,443/tcp,53/udp,22-25,telnet`, nmap's `T:22,80,U:53`, `-` for all.
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
/// A prefix holds until the next one; "/proto" overrides it for its element. "-" is 1-65535; "22-"
/// and "-22" are open ranges as nmap has them. Names come from the services database
/// (getservbyname); one that exists only for the other protocol than the element's is that
/// protocol's if the element did not say which. "dns", "smb", "rdp" and "https-alt" are known
/// where the database lacks them. Duplicates count once, the order of first mention is kept.
/// @return Code::usage that quotes the element, says what is wrong with it (port 0, above 65535,
/// range backwards, a letter for a digit, unknown name with the nearest one) and how it is written
Result<std::vector<Service>> parse_ports(std::string_view spec, std::uint8_t default_protocol);

/// How many ports the longest range has that is written in the list ("22-25": 4; a single port is a
/// range of 1, however many of them follow each other).
/// @return what parse_ports() says is wrong
Result<std::size_t> longest_range(std::string_view spec);

/// `services` without those in `excluded`, in their order.
std::vector<Service> exclude(const std::vector<Service>& services,
                             const std::vector<Service>& excluded);

}  // namespace ksms
