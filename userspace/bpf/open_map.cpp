// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/open_map.hpp"

#include <fmt/format.h>

#include "bpf/attach.hpp"

namespace ksms {

Result<RawMap> open_map(const std::string& root, const std::string& name, std::uint32_t key_size,
                        std::uint32_t value_size, bool read_only) {
    const auto path = root + "/" + name;
    KSMS_TRY(auto fd, open_pin(path, read_only));
    KSMS_TRY(const auto info, info_of<bpf_map_info>(fd.get(), "look at the map " + path));
    if (info.key_size != key_size || info.value_size != value_size)
        return fail(
            Code::failed,
            fmt::format("{} is not a map of this version: keys of {} bytes and values of {}, "
                        "expected {} and {}",
                        path, info.key_size, info.value_size, key_size, value_size),
            "another build of ksms or another program pinned it; when nothing uses it: rm -r " +
                root);
    return RawMap(std::move(fd), name, key_size, value_size, info.max_entries);
}

}  // namespace ksms
