// SPDX-License-Identifier: BSD-2-Clause
#include "cli/console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"
#include "base/write_all.hpp"
#include "output/json.hpp"
#include "output/layout.hpp"

namespace ksms {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;
constexpr std::size_t kNarrowest = 60, kWidest = 1000;  // columns

/// @return 0, or the errno of the write that failed
int put(int fd, std::string_view text) {
    const auto written = write_all(fd, text, "");
    return written ? 0 : written.error().err;
}

bool environment_says(const char* name, std::string_view value) {
    const char* found = ::secure_getenv(name);
    return found != nullptr && value == found;
}

/// Columns of the terminal; 0 if unknown (a serial line) or not a terminal.
std::size_t columns_of(int fd) {
    winsize size{};
    return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

std::size_t text_width(const char* said, std::size_t terminal) {
    auto columns = parse_number<std::size_t>(said == nullptr ? "" : said).value_or(0);
    if (columns == 0) columns = terminal;
    return columns == 0 ? kWidestText : std::clamp(columns, kNarrowest, kWidest);
}

Console::Console(const GlobalOptions& options)
    : options_(options), terminal_error_(::isatty(STDERR_FILENO) == 1) {}

bool Console::color() const {
    if (options_.color != Color::automatic) return options_.color == Color::always;
    const char* no_color = ::secure_getenv("NO_COLOR");  // https://no-color.org
    if (no_color != nullptr && *no_color != '\0') return false;
    return options_.output.empty() && ::isatty(STDOUT_FILENO) == 1 &&
           !environment_says("TERM", "dumb");
}

std::size_t Console::width() const {
    if (!options_.output.empty() || ::isatty(STDOUT_FILENO) != 1) return kWidestText;
    return text_width(std::getenv("COLUMNS"), columns_of(STDOUT_FILENO));
}

TextStyle Console::text_style() const {
    return {.color = color(), .width = width(), .details = verbose() > 0, .hints = !quiet()};
}

Status Console::open() {
    if (options_.output.empty()) return {};
    KSMS_TRY(file_, OutputFile::create(options_.output));
    return {};
}

/// Writers of text make names printable themselves; this is a second check. Writers of documents
/// escape.
std::function<void(std::string_view)> Console::sink() {
    return [this](std::string_view piece) { write(piece); };
}

void Console::write(std::string_view text) {
    if (json())
        buffer_.append(text);
    else
        buffer_.append(printable_lines(text, color()));
    if (buffer_.size() >= kBuffer) flush();
}

void Console::write_now(std::string_view text) {
    end_progress();
    write(text);
    flush();
}

void Console::flush() {
    if (err_ == 0) err_ = put(file_ ? file_.fd() : STDOUT_FILENO, buffer_);
    buffer_.clear();
}

Status Console::finish() {
    flush();
    if (err_ != 0)
        return fail_errno(
            err_, "write " + (options_.output.empty() ? "standard output" : options_.output));
    if (!file_) return {};
    KSMS_CHECK(file_.commit());
    file_ = OutputFile();
    return {};
}

void Console::abandon() {
    buffer_.clear();
    file_ = OutputFile();
}

void Console::say(const std::string& line) {
    end_progress();
    // Names and arguments must not control the terminal.
    put(STDERR_FILENO, printable(line) + "\n");
}

void Console::error(const Error& error) {
    say("ksmsctl: " + error.text());
    if (!error.hint.empty()) say("hint: " + error.hint);
}

void Console::warn(const std::string& text) {
    if (!options_.quiet) say("warning: " + text);
}

void Console::hint(const std::string& text) {
    if (!options_.quiet) say("hint: " + text);
}

void Console::note(const std::string& text) {
    if (!options_.quiet) say("ksmsctl: " + text);
}

void Console::progress(const std::string& line) {
    if (!terminal_error_ || options_.quiet) return;
    // A line that wraps could not be overwritten.
    const auto columns = columns_of(STDERR_FILENO);
    const auto shown =
        columns < 2 ? printable(line) : wrapped(printable(line), columns - 1).front();
    put(STDERR_FILENO, "\r\x1b[K" + shown);
    progress_shown_ = true;
}

void Console::end_progress() {
    if (!progress_shown_) return;
    put(STDERR_FILENO, "\r\x1b[K");
    progress_shown_ = false;
}

void Console::step(const std::string& text) {
    if (options_.verbose > 0 && !terminal_error_ && !options_.quiet) say(text);
}

void Console::error_document(const Error& error) {
    err_ = put(STDOUT_FILENO, error_json(error, options_.pretty));
}

}  // namespace ksms
