// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ksms {

/// The line numbers of the keys of a JSON text, for messages.
class JsonLines {
public:
    /// @param text  valid JSON
    explicit JsonLines(std::string_view text);
    /// @param path  keys joined by dots: "dscp_registry.enabled"
    /// @return the line, from 1; 0 if there is no such key
    [[nodiscard]] std::size_t of(const std::string& path) const;
    /// A key that is repeated in its object.
    struct Repeated {
        std::string path;
        std::size_t line{0};  ///< of the repetition
    };
    [[nodiscard]] const std::vector<Repeated>& repeated() const { return repeated_; }

    /// @param at  a byte of the text
    static std::size_t line_of(std::string_view text, std::size_t at);

private:
    std::map<std::string, std::size_t> lines_;
    std::vector<Repeated> repeated_;
};

}  // namespace ksms
