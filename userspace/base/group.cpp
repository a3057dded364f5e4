// SPDX-License-Identifier: BSD-2-Clause
#include "base/group.hpp"

#include <fmt/format.h>
#include <grp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace ksms {

bool is_shortage(int err) {
    static constexpr std::array all{EMFILE, ENFILE, ENOMEM, EIO, EINTR};
    return std::ranges::find(all, err) != all.end();
}

Result<std::optional<gid_t>> find_group(const std::string& name) {
    std::vector<char> text(65536);
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &entry, text.data(), text.size(), &found);
    if (is_shortage(error)) return fail_errno(error, fmt::format("look for the group {}", name));
    if (error != 0 || found == nullptr) return std::nullopt;
    return entry.gr_gid;
}

}  // namespace ksms
