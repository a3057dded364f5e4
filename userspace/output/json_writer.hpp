// SPDX-License-Identifier: BSD-2-Clause
// A streaming JSON writer: 65,535 services over ten routers as a tree would take too much memory.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksms {

inline constexpr int kDecimals = 3;  // of milliseconds

/// Receives a document in pieces.
using Sink = std::function<void(std::string_view)>;

class JsonWriter {
public:
    /// @param pretty  indented by two, one value per line
    JsonWriter(Sink sink, bool pretty) : sink_(std::move(sink)), pretty_(pretty) {}
    JsonWriter(const JsonWriter&) = delete;
    JsonWriter& operator=(const JsonWriter&) = delete;
    /// Writes the rest of the text and a newline.
    ~JsonWriter();

    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }
    JsonWriter& key(std::string_view name);
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(bool truth);
    JsonWriter& value(double number, int decimals);
    JsonWriter& null();
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    JsonWriter& value(T number) {
        if constexpr (std::is_signed_v<T>)
            return signed_value(number);
        else
            return unsigned_value(number);
    }
    /// null if there is no value.
    template <typename T>
    JsonWriter& value(const std::optional<T>& content) {
        return content ? value(*content) : null();
    }
    /// null for "".
    JsonWriter& text_or_null(std::string_view text) { return text.empty() ? null() : value(text); }
    JsonWriter& strings(const std::vector<std::string>& texts);
    template <typename T>
    JsonWriter& field(std::string_view name, const T& content) {
        return key(name).value(content);
    }

private:
    JsonWriter& open(char bracket);
    JsonWriter& close(char bracket);
    JsonWriter& signed_value(std::int64_t number);
    JsonWriter& unsigned_value(std::uint64_t number);
    void before_value();
    void new_line();
    void quoted(std::string_view text);

    Sink sink_;
    bool pretty_;
    bool after_key_{false};
    std::vector<bool> filled_;  ///< for each level: whether it has a value
    std::string buffer_;
};

}  // namespace ksms
