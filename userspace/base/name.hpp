// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <string_view>

namespace ksms {

/// A short text that stands in very many places: kept once, for ever; a copy is a pointer. For
/// values out of a small set (reasons, functions of the kernel, interfaces), never for what grows
/// with the input.
class Name {
public:
    Name();
    Name(std::string_view
             text);  // NOLINT(google-explicit-constructor): it is a string to those who write it
    Name(const std::string& text)
        : Name(std::string_view(text)) {}                     // NOLINT(google-explicit-constructor)
    Name(const char* text) : Name(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] const std::string& text() const { return *text_; }
    operator const std::string&() const { return *text_; }  // NOLINT(google-explicit-constructor)
    [[nodiscard]] bool empty() const { return text_->empty(); }
    friend bool operator==(const Name& a, const Name& b) { return a.text_ == b.text_; }
    friend bool operator==(const Name& a, std::string_view b) { return *a.text_ == b; }
    friend bool operator==(const Name& a, const std::string& b) { return *a.text_ == b; }
    friend bool operator==(const Name& a, const char* b) { return *a.text_ == b; }

private:
    const std::string* text_;
};

}  // namespace ksms
