// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/record_layout.hpp"

#include <bpf/btf.h>
#include <fmt/format.h>
#include <linux/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ksms {

void RecordLayout::Free::operator()(btf* types) const {
    btf__free(types);
}

Result<RecordLayout> RecordLayout::parse(std::span<const std::uint8_t> types, std::uint32_t type,
                                         std::uint32_t size, std::string of) {
    // libbpf 1.1 checks all but this: types behind a header of odd length are not aligned.
    btf_header header{};
    if (types.size() >= sizeof header) std::memcpy(&header, types.data(), sizeof header);
    if (header.hdr_len == 0 || header.hdr_len % 4 != 0)
        return fail(Code::failed, fmt::format("the types of {} are no BTF", of));
    RecordLayout layout;
    layout.types_.reset(btf__new(types.data(), static_cast<std::uint32_t>(types.size())));
    if (!layout.types_) return fail_errno(errno, "read the types of " + of);
    layout.type_ = type;
    layout.size_ = size;
    layout.of_ = std::move(of);
    return layout;
}

Result<std::span<const std::uint8_t>> RecordLayout::field(std::span<const std::uint8_t> value,
                                                          std::string_view name) const {
    const auto* type = btf__type_by_id(types_.get(), type_);
    if (type != nullptr && btf_is_struct(type)) {
        const auto* members = btf_members(type);
        for (std::uint32_t i = 0; i < btf_vlen(type); ++i) {
            // Where the offset leads out of the strings there is none.
            const auto* called = btf__name_by_offset(types_.get(), members[i].name_off);
            if (called == nullptr || called != name) continue;
            const auto offset = btf_member_bit_offset(type, i) / 8;
            const auto size = btf__resolve_size(types_.get(), members[i].type);
            if (size > 0 && offset + static_cast<std::uint64_t>(size) <= size_)
                return value.subspan(offset, static_cast<std::size_t>(size));
        }
    }
    return fail(Code::failed, fmt::format("the values of {} have no field {}", of_, name));
}

Result<std::uint64_t> RecordLayout::number(std::span<const std::uint8_t> value,
                                           std::string_view name) const {
    KSMS_TRY(const auto bytes, field(value, name));
    std::uint64_t result = 0;
    std::memcpy(&result, bytes.data(), std::min(bytes.size(), sizeof result));
    return result;
}

Result<std::string> RecordLayout::text(std::span<const std::uint8_t> value,
                                       std::string_view name) const {
    KSMS_TRY(const auto bytes, field(value, name));
    const auto* from = reinterpret_cast<const char*>(bytes.data());
    return std::string(from, strnlen(from, bytes.size()));
}

}  // namespace ksms
