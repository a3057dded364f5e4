// SPDX-License-Identifier: BSD-2-Clause
// -o FILE: there whole or not at all.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// A file under construction. It has no name until it is complete (O_TMPFILE), so that nothing is
/// left whatever happens; a file system that cannot do that gets a temporary name beside it. What
/// is no regular file (/dev/null, a pipe) is written as it is.
class OutputFile {
public:
    OutputFile() = default;
    OutputFile(OutputFile&& other) noexcept { swap(other); }
    OutputFile& operator=(OutputFile&& other) noexcept {
        swap(other);
        return *this;
    }
    ~OutputFile();

    /// @return Code::failed or Code::not_allowed for a directory, or what may not be written
    static Result<OutputFile> create(const std::string& path);

    explicit operator bool() const { return static_cast<bool>(fd_); }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Puts it on disk and in its place, with the mode of the file that it replaces.
    Status commit();

private:
    void swap(OutputFile& other) noexcept;
    Status open_existing();
    Status open_new();
    Status give_name(const std::string& name) const;

    Fd fd_;
    std::string path_;       ///< symbolic links resolved
    std::string temporary_;  ///< where it lies until it is complete; "": nowhere
    bool in_place_{false};   ///< no regular file: nothing to put anywhere
    int mode_{-1};           ///< of the file that it replaces; -1: there is none
    unsigned uid_{0}, gid_{0};
};

}  // namespace ksms
