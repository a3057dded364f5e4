// SPDX-License-Identifier: BSD-2-Clause
// -o FILE: written completely or not at all.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// A file that is being written. It has no name until it is complete (O_TMPFILE), so a crash leaves
/// nothing; on file systems without O_TMPFILE it has a temporary name. Files that are not regular
/// (/dev/null, a pipe) are written in place.
///
/// Root may write in directories of other users: the directory is opened once, and a symbolic link
/// as the last component is refused. /dev/stdout, /dev/fd/N and so on are descriptors of the
/// caller.
class OutputFile {
public:
    OutputFile() = default;
    OutputFile(OutputFile&& other) noexcept { swap(other); }
    OutputFile& operator=(OutputFile&& other) noexcept {
        swap(other);
        return *this;
    }
    ~OutputFile();

    /// @return Code::failed or Code::not_allowed for a directory, a symbolic link, or a file that
    /// may not be written
    static Result<OutputFile> create(const std::string& path);

    explicit operator bool() const { return static_cast<bool>(fd_); }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Syncs the file and moves it into place, with owner and permissions of the replaced file,
    /// unless that is another user's file in a directory that everybody can write.
    Status commit();

private:
    void swap(OutputFile& other) noexcept;
    Status open();
    Status keep_owner(const struct stat& replaced);
    Status open_new();
    Status link_to(const std::string& name) const;
    [[nodiscard]] std::unexpected<Error> cannot_write(int err) const;

    Fd fd_, directory_;
    std::string path_;       ///< as given, for messages
    std::string name_;       ///< in the directory
    std::string temporary_;  ///< temporary name in the directory; "": none
    bool in_place_{false};   ///< not a regular file: written in place
    int mode_{-1};           ///< of the replaced file; -1: do not keep
    uid_t uid_{0};
    gid_t gid_{0};
};

}  // namespace ksms
