// SPDX-License-Identifier: BSD-2-Clause
// Opening a pinned map, checked against abi.h. For the files of this room.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "bpf/map.hpp"

namespace ksms {

/// A pinned map, refused if its shape is not what abi.h says: somebody else's pin, or another
/// version's.
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
