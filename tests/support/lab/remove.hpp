// SPDX-License-Identifier: BSD-2-Clause
// Taking labs away, without starting a program: it must work in a process whose parent was killed.
#pragma once

#include <string>

namespace ksms::lab {

/// Removes every namespace whose name begins with the prefix.
void remove_namespaces(const std::string& prefix);
/// Those of the unified hierarchy, by which ksms keeps its maps.
void remove_cgroups(const std::string& prefix);
void remove_tree(const std::string& directory);
/// Labs "ksmstPID_…" of processes that are not there any more, with pins and directories.
void remove_labs_of_the_dead();

}  // namespace ksms::lab
