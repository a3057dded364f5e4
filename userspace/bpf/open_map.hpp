// SPDX-License-Identifier: BSD-2-Clause
// Opens a pinned map and checks it against abi.h. For the files of this room.
#pragma once

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "bpf/map.hpp"

namespace ksms {

/// BPF_OBJ_GET_INFO_BY_FD.
/// @param what  for the error: "look at the map …"
template <typename Info>
Result<Info> info_of(int fd, const std::string& what) {
    Info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return fail_errno(errno, what);
    return info;
}

/// Opens a pinned map. Refuses a map with other sizes: another program or version pinned it.
Result<RawMap> open_map(const std::string& root, const std::string& name, std::uint32_t key_size,
                        std::uint32_t value_size, bool read_only = false);

template <typename K, typename V>
Status open_typed(const std::string& root, const char* name, Map<K, V>& into,
                  bool read_only = false) {
    KSMS_TRY(auto raw, open_map(root, name, sizeof(K), sizeof(V), read_only));
    into = Map<K, V>(std::move(raw));
    return {};
}

}  // namespace ksms
