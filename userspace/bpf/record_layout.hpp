// SPDX-License-Identifier: BSD-2-Clause
// Where the fields of a map's values are, by the map's types (BTF). Knows no map.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"

struct btf;

namespace ksms {

class RecordLayout {
public:
    /// @param types  BTF as the kernel gives it (linux/btf.h)
    /// @param type   the id of the values' type
    /// @param size   bytes of a value
    /// @param of     what the values are of, for the errors
    /// @return Code::failed where it is no BTF
    static Result<RecordLayout> parse(std::span<const std::uint8_t> types, std::uint32_t type,
                                      std::uint32_t size, std::string of);

    /// Up to eight bytes of a field, as the machine has them.
    /// @param value  of `size` bytes
    /// @return Code::failed where there is no such field, or it reaches beyond the value
    [[nodiscard]] Result<std::uint64_t> number(std::span<const std::uint8_t> value,
                                               std::string_view name) const;
    /// A field to its end or its first NUL.
    [[nodiscard]] Result<std::string> text(std::span<const std::uint8_t> value,
                                           std::string_view name) const;

private:
    struct Free {
        void operator()(btf* types) const;
    };
    RecordLayout() = default;
    [[nodiscard]] Result<std::span<const std::uint8_t>> field(std::span<const std::uint8_t> value,
                                                              std::string_view name) const;

    std::unique_ptr<btf, Free> types_;
    std::uint32_t type_{0}, size_{0};
    std::string of_;
};

}  // namespace ksms
