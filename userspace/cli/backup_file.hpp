// SPDX-License-Identifier: BSD-2-Clause
// A backup of the leases: {"version":1,"allocations":{"JOB":{…}}}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "output/leases.hpp"
#include "registry/restore.hpp"

namespace ksms {

/// Writes the file atomically, like -o (output_file.hpp).
/// @return descriptions of the omitted leases, whose names are not valid
Result<std::vector<std::string>> write_backup(const std::string& path,
                                              const std::vector<ksms_lease>& leases,
                                              const Moment& now);

/// @return Code::usage naming the job and the cause: an unknown version, a DSCP that is out of
/// range or given twice, a truncated file
Result<std::vector<SavedLease>> parse_backup(std::string_view text, const std::string& name);
Result<std::vector<SavedLease>> read_backup(const std::string& path);

}  // namespace ksms
