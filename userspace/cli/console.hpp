// SPDX-License-Identifier: BSD-2-Clause
// Where everything that ksmsctl says goes: results to standard output or -o FILE, all else to
// standard error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "cli/output_file.hpp"
#include "request/options.hpp"

namespace ksms {

/// Columns of a text on a terminal: what COLUMNS says, else what the terminal does, 60 at least;
/// 100 where neither is known.
/// @param said      COLUMNS; nullptr: it is not set
/// @param terminal  0: not known
[[nodiscard]] std::size_t text_width(const char* said, std::size_t terminal);

class Console {
public:
    explicit Console(const GlobalOptions& options);

    [[nodiscard]] bool json() const { return options_.json; }
    [[nodiscard]] bool pretty() const { return options_.pretty; }
    [[nodiscard]] bool quiet() const { return options_.quiet; }
    [[nodiscard]] unsigned verbose() const { return options_.verbose; }
    /// Is the result to be coloured?
    [[nodiscard]] bool color() const;
    /// Columns that a text may take; 100 where the output is no terminal.
    [[nodiscard]] std::size_t width() const;

    /// Opens -o FILE, so that a file that cannot be written is known before anything is done.
    Status open();
    /// A piece of the result, in the order of the calls; buffered.
    void write(std::string_view text);
    /// write() as a function, for writers of documents.
    [[nodiscard]] std::function<void(std::string_view)> sink();
    /// The same at once, for what is told as it happens.
    void write_now(std::string_view text);
    /// Everything is written: flushes, and puts the file in its place. Once more it does nothing.
    /// @return the error of the first write that failed; EPIPE where the reader is gone
    Status finish();
    /// Drops what was written to -o FILE; the file stays as it was.
    void abandon();

    /// Standard error: "ksmsctl: TEXT", the hint on a line of its own.
    void error(const Error& error);
    void warn(const std::string& text);  ///< not with -q
    void hint(const std::string& text);  ///< not with -q
    void note(const std::string& text);  ///< what is being done; not with -q
    /// One line that is written over by the next; only on a terminal, and not with -q.
    void progress(const std::string& line);
    void end_progress();
    /// A stage that begins: with -v a line of its own, unless progress() shows it.
    void step(const std::string& text);

    /// The document of a call without a result: {"schema":"ksms.error/1",…}, always to standard
    /// output.
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
