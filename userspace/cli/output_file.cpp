// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace ksms {
namespace {

std::string directory_of(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

/// Where a chain of symbolic links leads; the path itself where there is nothing yet.
std::string resolved(const std::string& path) {
    char* found = ::realpath(path.c_str(), nullptr);
    if (found == nullptr) return path;
    const Defer free_it([found] { std::free(found); });
    return found;
}

std::unexpected<Error> cannot_write(int err, const std::string& path) {
    return fail_errno(err, "write " + path,
                      "-o needs a file in a directory that is there and can be written to");
}

}  // namespace

OutputFile::~OutputFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::swap(OutputFile& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    std::swap(temporary_, other.temporary_);
    std::swap(in_place_, other.in_place_);
    std::swap(mode_, other.mode_);
    std::swap(uid_, other.uid_);
    std::swap(gid_, other.gid_);
}

Result<OutputFile> OutputFile::create(const std::string& path) {
    OutputFile file;
    file.path_ = resolved(path);
    struct stat status{};
    if (::stat(file.path_.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return cannot_write(EISDIR, path);
        if (!S_ISREG(status.st_mode)) {
            KSMS_CHECK(file.open_existing());
            return file;
        }
        if (::access(file.path_.c_str(), W_OK) != 0) return cannot_write(errno, path);
        file.mode_ = static_cast<int>(status.st_mode & 07777);
        file.uid_ = status.st_uid;
        file.gid_ = status.st_gid;
    } else if (errno != ENOENT) {
        return cannot_write(errno, path);
    }
    KSMS_CHECK(file.open_new());
    return file;
}

Status OutputFile::open_existing() {
    in_place_ = true;
    fd_ = Fd(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd_) return cannot_write(errno, path_);
    return {};
}

Status OutputFile::open_new() {
    const auto directory = directory_of(path_);
    fd_ = Fd(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
    if (fd_) return {};
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return cannot_write(errno, path_ + " in " + directory);
    auto name = path_ + ".XXXXXX";
    fd_ = Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd_) return cannot_write(errno, path_ + " in " + directory);
    temporary_ = name;
    const auto mask = ::umask(0);
    ::umask(mask);
    ::fchmod(fd_.get(), 0666 & ~mask);
    return {};
}

Status OutputFile::give_name(const std::string& name) const {
    // AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH (linkat(2)).
    const auto self = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
        return fail_errno(errno, "write " + name);
    return {};
}

Status OutputFile::commit() {
    if (in_place_) return {};
    // Where the owner cannot be kept, the mode is that of a file of our own.
    if (mode_ >= 0 && (::fchown(fd_.get(), uid_, gid_) == 0 || ::geteuid() == uid_))
        ::fchmod(fd_.get(), static_cast<mode_t>(mode_));
    if (::fsync(fd_.get()) != 0) return fail_errno(errno, "write " + path_);
    if (temporary_.empty()) {
        if (mode_ < 0) {
            const auto placed = give_name(path_);
            if (placed || placed.error().err != EEXIST) return placed;
        }
        const auto name = fmt::format("{}.{}", path_, ::getpid());
        KSMS_CHECK(give_name(name));
        temporary_ = name;
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0)
        return fail_errno(errno, "write " + path_);
    temporary_.clear();
    return {};
}

}  // namespace ksms
