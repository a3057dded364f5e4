// SPDX-License-Identifier: BSD-2-Clause
// -o FILE: there whole or not at all.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// A file under construction. It has no name until it is complete (O_TMPFILE), so that nothing is
/// left whatever happens; a file system that cannot do that gets a temporary name beside it. What
/// is no regular file (/dev/null, a pipe) is written as it is.
///
/// Root may write where others may, too: the directory is opened once, and its last name is never
/// followed: a symbolic link there is refused. /dev/stdout, /dev/fd/N and the like are the caller's
/// descriptors.
class OutputFile {
public:
    OutputFile() = default;
    OutputFile(OutputFile&& other) noexcept { swap(other); }
    OutputFile& operator=(OutputFile&& other) noexcept {
        swap(other);
        return *this;
    }
    ~OutputFile();

    /// @return Code::failed or Code::not_allowed for a directory, a symbolic link, or what may not
    /// be written
    static Result<OutputFile> create(const std::string& path);

    explicit operator bool() const { return static_cast<bool>(fd_); }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Puts it on disk and in its place, with owner and permissions of the file that it replaces,
    /// unless that is a stranger's in a directory that everybody may write to.
    Status commit();

private:
    void swap(OutputFile& other) noexcept;
    Status open();
    Status keep_owner(const struct stat& replaced);
    Status open_new();
    Status link_to(const std::string& name) const;
    [[nodiscard]] std::unexpected<Error> cannot_write(int err) const;

    Fd fd_, directory_;
    std::string path_;       ///< as it was given, for messages
    std::string name_;       ///< in the directory
    std::string temporary_;  ///< in the directory, until it is complete; "": none
    bool in_place_{false};   ///< no regular file: nothing to put anywhere
    int mode_{-1};           ///< of the file that it replaces; -1: none to keep
    uid_t uid_{0};
    gid_t gid_{0};
};

}  // namespace ksms
