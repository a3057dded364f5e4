// SPDX-License-Identifier: BSD-2-Clause
// The output of ksmsctl: results to standard output or -o FILE, everything else to standard error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "cli/output_file.hpp"
#include "output/text.hpp"
#include "request/options.hpp"

namespace ksms {

/// Columns for text on a terminal: COLUMNS, else the width of the terminal, at least 60; 100 if
/// both are unknown.
/// @param said      COLUMNS; nullptr: not set
/// @param terminal  0: not known
[[nodiscard]] std::size_t text_width(const char* said, std::size_t terminal);

class Console {
public:
    explicit Console(const GlobalOptions& options);

    [[nodiscard]] bool json() const { return options_.json; }
    [[nodiscard]] bool pretty() const { return options_.pretty; }
    [[nodiscard]] bool quiet() const { return options_.quiet; }
    [[nodiscard]] unsigned verbose() const { return options_.verbose; }
    /// Whether to use colours in the result.
    [[nodiscard]] bool color() const;
    /// Columns for text; 100 if the output is not a terminal.
    [[nodiscard]] std::size_t width() const;

    /// The style of the text of a scan.
    [[nodiscard]] TextStyle text_style() const;

    /// Opens -o FILE, so that an error is reported before anything is done.
    Status open();
    /// Writes a piece of the result, buffered.
    void write(std::string_view text);
    /// write() as a function, for writers of documents.
    [[nodiscard]] std::function<void(std::string_view)> sink();
    /// The same without buffering, for events.
    void write_now(std::string_view text);
    /// Flushes the output and moves the file of -o into place. Idempotent.
    /// @return the error of the first write that failed; EPIPE if the reader is gone
    Status finish();
    /// Discards the output to -o FILE. An existing file stays as it was.
    void abandon();

    /// Standard error: "ksmsctl: TEXT", the hint on a line of its own.
    void error(const Error& error);
    void warn(const std::string& text);  ///< not with -q
    void hint(const std::string& text);  ///< not with -q
    void note(const std::string& text);  ///< present operation; not with -q
    /// Shows a line that the next one overwrites. Only on a terminal, not with -q.
    void progress(const std::string& line);
    void end_progress();
    /// Announces a stage: with -v a separate line, unless progress() shows it.
    void step(const std::string& text);

    /// The document of a failed command: {"schema":"ksms.error/1",…}, always to standard output.
    void error_document(const Error& error);

private:
    void flush();
    void say(const std::string& line);

    GlobalOptions options_;
    OutputFile file_;
    std::string buffer_;
    int err_{0};
    bool terminal_error_{false}, progress_shown_{false};
};

}  // namespace ksms
