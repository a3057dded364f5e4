// SPDX-License-Identifier: BSD-2-Clause
#include "base/write_all.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace ksms {

Status write_all(int fd, std::string_view bytes, const std::string& name) {
    constexpr int most_attempts = 1000;  // a millisecond apart
    int attempts = 0;
    while (!bytes.empty()) {
        const auto done = ::write(fd, bytes.data(), bytes.size());
        if (done >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(done));
            continue;
        }
        const int error = errno;
        if (error == EINTR) continue;
        if ((error != ENOBUFS && error != ENOMEM) || ++attempts >= most_attempts)
            return fail_errno(error, "write " + name);
        ::poll(nullptr, 0, 1);
    }
    return {};
}

}  // namespace ksms
