// SPDX-License-Identifier: BSD-2-Clause
#include "base/directory.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace ksms {

Result<std::vector<std::string>> list_directory(const std::string& path) {
    std::vector<std::string> names;
    std::error_code failed;
    for (std::filesystem::directory_iterator at(path, failed); !failed && at != end(at);
         at.increment(failed))
        names.push_back(at->path().filename().string());
    if (failed) return fail_errno(failed.value(), "read the directory " + path);
    std::ranges::sort(names);
    return names;
}

}  // namespace ksms
