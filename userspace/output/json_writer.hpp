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
    /// An object whose first member is a number.
    /// @param as_before  but for the number it is as the last one that was written in this way,
    ///                   whose text is taken again
    /// @param rest  writes the other members
    template <typename Rest>
    JsonWriter& numbered(std::string_view name, std::uint64_t number, bool as_before,
                         const Rest& rest) {
        open('{').field(name, number);
        if (as_before && !rest_.empty()) {
            buffer_ += rest_;
            filled_.pop_back();
        } else {
            const auto from = buffer_.size(), pieces = pieces_;
            rest();
            shut('}');
            rest_ = pieces == pieces_ ? buffer_.substr(from) : std::string();
        }
        return pass_on();
    }

private:
    JsonWriter& open(char bracket);
    JsonWriter& close(char bracket);
    void shut(char bracket);
    JsonWriter& pass_on();  ///< to the sink, what is enough for a piece
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
    std::size_t pieces_{0};  ///< that the sink has
    std::string rest_;       ///< of the last numbered object, behind its number
};

}  // namespace ksms
