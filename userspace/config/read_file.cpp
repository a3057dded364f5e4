// SPDX-License-Identifier: BSD-2-Clause
#include "config/read_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd.hpp"

namespace ksms {
namespace {

constexpr std::size_t kLargestFile = 1024 * 1024;

}  // namespace

Result<std::string> read_file(const std::string& path, const std::string& hint) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) return fail_errno(errno, "read " + path, hint);
    std::string text;
    std::array<char, 16384> buffer;
    while (true) {
        const auto got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "read " + path, hint);
        if (got == 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
        if (text.size() > kLargestFile) return fail(Code::usage, path + " is larger than 1 MiB");
    }
}

}  // namespace ksms
