// SPDX-License-Identifier: BSD-2-Clause
// A scan under a lease that its user holds: it is used and stays held, by one scan at a time.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "registry/registry.hpp"

namespace ksms {

struct BorrowedLease {
    Lease lease;
    Fd occupied;  ///< while it is open no other scan runs under this lease
};

/// The lease of `job`, if this user holds it.
/// @return Code::not_found where nobody holds it; Code::no_dscp where it is another user's, or a
/// scan runs under it
Result<BorrowedLease> borrow_lease(const Objects& objects, const Registry& registry,
                                   const std::string& job);

}  // namespace ksms
