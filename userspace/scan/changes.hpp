// SPDX-License-Identifier: BSD-2-Clause
// What a router changed of a probe that it passed on: as notes, and in words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scan/evidence.hpp"

namespace ksms {

/// "remarked:0", "translated:10.4.0.9:8443", "translated-source:[fd00::9]:33001": what differs
/// between its way in and its way out, with the new value.
std::vector<std::string> change_notes(const RouterEvidence& seen);

/// "bleached at r1", "r1: translated to 10.4.0.9:8443"; "" for a note of another kind
std::string change_text(std::string_view router, std::string_view note);

}  // namespace ksms
