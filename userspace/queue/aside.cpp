// SPDX-License-Identifier: BSD-2-Clause
#include "queue/aside.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.hpp"

namespace ksms {
namespace {

namespace fs = std::filesystem;

constexpr int most_aside = 16;

bool is_taken(const fs::path& file) {
    std::error_code ignored;
    return fs::exists(fs::symlink_status(file, ignored));
}

Status move(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
        return fail_errno(errno, fmt::format("rename {} to {}", from.string(), to.string()));
    return {};
}

}  // namespace

fs::path with(fs::path file, const std::string& more) {
    file += more;
    return file;
}

fs::path aside_name(const fs::path& file, int back) {
    const auto name = [&](int number) { return with(file, fmt::format(".damaged-{}", number)); };
    int number = 1;
    while (number <= most_aside && (is_taken(name(number)) || is_taken(with(name(number), "-wal"))))
        ++number;
    return name(std::clamp(number - back, 1, most_aside));
}

Status copy_of(const fs::path& from, const fs::path& to) {
    std::error_code failed;
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, failed);
    const Fd copy(failed ? -1 : ::open(to.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (copy && fsync(copy.get()) == 0) return {};
    const int err = failed ? failed.value() : errno;
    ::unlink(to.c_str());
    return fail_errno(err, fmt::format("copy {} to {}", from.string(), to.string()),
                      "it is damaged, and kept before it is used");
}

Status replace(const fs::path& file, const fs::path& aside, const fs::path& fresh, int directory) {
    // Those of another file that it gives way to; not where a kill -9 came between these steps.
    if (is_taken(file))
        for (const char* more : {"-wal", "-shm"}) ::unlink(with(aside, more).c_str());
    KSMS_CHECK(move(file, aside));
    KSMS_CHECK(move(with(file, "-wal"), with(aside, "-wal")));
    KSMS_CHECK(move(with(file, "-shm"), with(aside, "-shm")));
    KSMS_CHECK(move(fresh, file));
    if (fsync(directory) != 0) return fail_errno(errno, "sync the directory of " + file.string());
    return {};
}

}  // namespace ksms
