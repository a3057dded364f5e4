// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "base/text.hpp"

namespace ksms {
namespace {

constexpr int kAttempts = 16;  // to find an unused temporary name

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// The N of /dev/fd/N, /dev/stdout and so on, which are links to descriptors of the caller; -1 for
/// any other path.
int descriptor_in(std::string_view path) {
    if (path == "/dev/stdout") return STDOUT_FILENO;
    if (path == "/dev/stderr") return STDERR_FILENO;
    for (const std::string_view before : {"/dev/fd/", "/proc/self/fd/"}) {
        if (!path.starts_with(before)) continue;
        const auto number = parse_number<int>(path.substr(before.size()));
        if (number && *number >= 0) return *number;
    }
    return -1;
}

/// "report.json.5f3a…": unpredictable for others who can write to the directory.
std::string temporary_for(const std::string& name) {
    std::uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number)
        number = static_cast<std::uint64_t>(::getpid());
    return fmt::format("{}.{:016x}", name.substr(0, NAME_MAX - 17), number);
}

std::string link_target(int directory, const std::string& name) {
    std::array<char, PATH_MAX> target{};
    const auto length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    return {target.data(), length < 0 ? 0u : static_cast<std::size_t>(length)};
}

}  // namespace

OutputFile::~OutputFile() {
    if (!temporary_.empty()) ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

void OutputFile::swap(OutputFile& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(directory_, other.directory_);
    std::swap(path_, other.path_);
    std::swap(name_, other.name_);
    std::swap(temporary_, other.temporary_);
    std::swap(in_place_, other.in_place_);
    std::swap(mode_, other.mode_);
    std::swap(uid_, other.uid_);
    std::swap(gid_, other.gid_);
}

std::unexpected<Error> OutputFile::cannot_write(int err) const {
    return fail_errno(err, "write " + path_, "-o needs a file in a writable directory that exists");
}

Result<OutputFile> OutputFile::create(const std::string& path) {
    OutputFile file;
    file.path_ = path;
    KSMS_CHECK(file.open());
    return file;
}

Status OutputFile::open() {
    if (const int number = descriptor_in(path_); number >= 0) {
        in_place_ = true;
        fd_ = Fd(::fcntl(number, F_DUPFD_CLOEXEC, 0));
        return fd_ ? Status{} : cannot_write(errno);
    }
    name_ = path_.substr(path_.rfind('/') + 1);
    directory_ = Fd(::open(directory_of(path_).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory_) return cannot_write(errno);
    if (name_.empty()) return cannot_write(EISDIR);
    // Examine and open the same file, even if the name is changed meanwhile.
    const Fd there(::openat(directory_.get(), name_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!there && errno == ENOENT) return open_new();
    struct stat status{};
    if (!there || ::fstat(there.get(), &status) != 0) return cannot_write(errno);
    if (S_ISDIR(status.st_mode)) return cannot_write(EISDIR);
    if (S_ISLNK(status.st_mode))
        return fail(Code::failed, fmt::format("write {}: it is a symbolic link", path_),
                    fmt::format("it leads to {}: name that file itself, or another one",
                                link_target(directory_.get(), name_)));
    const auto self = fmt::format("/proc/self/fd/{}", there.get());
    if (!S_ISREG(status.st_mode)) {
        in_place_ = true;
        fd_ = Fd(::open(self.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
        return fd_ ? Status{} : cannot_write(errno);
    }
    if (::access(self.c_str(), W_OK) != 0) return cannot_write(errno);
    KSMS_CHECK(keep_owner(status));
    return open_new();
}

/// Keeps owner and mode of the replaced file, unless it is another user's file in a directory that
/// everybody can write: that may be a trap.
Status OutputFile::keep_owner(const struct stat& replaced) {
    struct stat directory{};
    if (::fstat(directory_.get(), &directory) != 0) return cannot_write(errno);
    if ((directory.st_mode & S_IWOTH) != 0 && replaced.st_uid != ::geteuid()) return {};
    mode_ = static_cast<int>(replaced.st_mode & 0777);
    uid_ = replaced.st_uid;
    gid_ = replaced.st_gid;
    return {};
}

Status OutputFile::open_new() {
    constexpr mode_t kMode = 0666;  // less the umask
    fd_ = Fd(::openat(directory_.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode));
    if (fd_) return {};
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return cannot_write(errno);
    for (int attempt = 0; attempt < kAttempts && !fd_; ++attempt) {
        const auto name = temporary_for(name_);
        fd_ = Fd(::openat(directory_.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
                          kMode));
        if (fd_) temporary_ = name;
        if (!fd_ && errno != EEXIST) break;
    }
    return fd_ ? Status{} : cannot_write(errno);
}

/// Links the unnamed file into the directory.
Status OutputFile::link_to(const std::string& name) const {
    // AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH (linkat(2)).
    const auto self = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, self.c_str(), directory_.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0)
        return {};
    return fail_errno(errno, "write " + path_);
}

Status OutputFile::commit() {
    if (in_place_) return {};
    // If the owner cannot be kept, the mode is not kept either.
    if (mode_ >= 0 && (::fchown(fd_.get(), uid_, gid_) == 0 || ::geteuid() == uid_))
        ::fchmod(fd_.get(), static_cast<mode_t>(mode_));
    if (::fsync(fd_.get()) != 0) return fail_errno(errno, "write " + path_);
    if (temporary_.empty() && mode_ < 0) {
        const auto placed = link_to(name_);
        if (placed || placed.error().err != EEXIST) return placed;
    }
    for (int attempt = 0; temporary_.empty(); ++attempt) {
        const auto name = temporary_for(name_);
        const auto placed = link_to(name);
        if (placed) temporary_ = name;
        if (!placed && (placed.error().err != EEXIST || attempt == kAttempts)) return placed;
    }
    if (::renameat(directory_.get(), temporary_.c_str(), directory_.get(), name_.c_str()) != 0)
        return fail_errno(errno, "write " + path_);
    temporary_.clear();
    return {};
}

}  // namespace ksms
