// SPDX-License-Identifier: BSD-2-Clause
// What a router changed of a probe that it passed on.
#pragma once

#include "judge/evidence.hpp"
#include "judge/note.hpp"

namespace ksms {

/// What differs between its way in and its way out, with the new value.
Change change_of(const RouterEvidence& seen);

}  // namespace ksms
