// SPDX-License-Identifier: BSD-2-Clause
#include "output/json_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace ksms {
namespace {

constexpr std::size_t kPiece = 32 * 1024;

bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

}  // namespace

JsonWriter::~JsonWriter() {
    buffer_ += '\n';
    sink_(buffer_);
}

void JsonWriter::new_line() {
    if (!pretty_) return;
    buffer_ += '\n';
    buffer_.append(filled_.size() * 2, ' ');
}

void JsonWriter::before_value() {
    if (after_key_) {
        after_key_ = false;
        return;
    }
    if (filled_.empty()) return;
    if (filled_.back()) buffer_ += ',';
    filled_.back() = true;
    new_line();
}

JsonWriter& JsonWriter::open(char bracket) {
    before_value();
    buffer_ += bracket;
    filled_.push_back(false);
    return *this;
}

void JsonWriter::shut(char bracket) {
    const bool filled = filled_.back();
    filled_.pop_back();
    if (filled) new_line();
    buffer_ += bracket;
}

JsonWriter& JsonWriter::pass_on() {
    if (buffer_.size() >= kPiece) {
        sink_(buffer_);
        buffer_.clear();
        ++pieces_;
    }
    return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
    shut(bracket);
    return pass_on();
}

void JsonWriter::quoted(std::string_view text) {
    if (std::ranges::all_of(text, is_plain)) {
        buffer_ += '"';
        buffer_ += text;
        buffer_ += '"';
        return;
    }
    buffer_ += json_string(text);
}

JsonWriter& JsonWriter::key(std::string_view name) {
    before_value();
    quoted(name);
    buffer_ += pretty_ ? ": " : ":";
    after_key_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    before_value();
    quoted(text);
    return *this;
}

JsonWriter& JsonWriter::value(bool truth) {
    before_value();
    buffer_ += truth ? "true" : "false";
    return *this;
}

JsonWriter& JsonWriter::value(double number, int decimals) {
    before_value();
    fmt::format_to(std::back_inserter(buffer_), "{:.{}f}", number, decimals);
    return *this;
}

JsonWriter& JsonWriter::null() {
    before_value();
    buffer_ += "null";
    return *this;
}

JsonWriter& JsonWriter::signed_value(std::int64_t number) {
    before_value();
    buffer_ += fmt::format_int(number).c_str();
    return *this;
}

JsonWriter& JsonWriter::unsigned_value(std::uint64_t number) {
    before_value();
    buffer_ += fmt::format_int(number).c_str();
    return *this;
}

JsonWriter& JsonWriter::strings(const std::vector<std::string>& texts) {
    begin_array();
    for (const auto& text : texts) value(text);
    return end_array();
}

}  // namespace ksms
