// SPDX-License-Identifier: BSD-2-Clause
// -o FILE: there whole or not at all.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace ksms {

/// A file under construction: without a name until it is complete, so that nothing is left whatever
/// happens. What is no regular file (/dev/null, a pipe) is written as it is.
class OutputFile {
public:
    OutputFile() = default;
    /// @return Code::failed for a directory, a file or directory that may not be written
    static Result<OutputFile> create(const std::string& path);

    explicit operator bool() const { return static_cast<bool>(fd_); }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Puts it on disk and in its place, with the mode of the file that it replaces.
    Status commit();

private:
    Status rename_into_place();

    Fd fd_;
    std::string path_;       ///< with symbolic links resolved
    std::string temporary_;  ///< "": the file has no name yet
    bool regular_{true}, replaces_{false};

public:
    OutputFile(OutputFile&&) noexcept = default;
    OutputFile& operator=(OutputFile&&) noexcept = default;
    ~OutputFile();
};

}  // namespace ksms
