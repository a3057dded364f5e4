// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/version.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "bpf/attach.hpp"
#include "bpf/open_map.hpp"
#include "ksms/abi.h"

namespace ksms {

Result<std::optional<std::uint32_t>> installed_abi(const PinRoot& root) {
    const auto path = root.path + "/config";
    const auto fd = open_pin(path);
    if (!fd && fd.error().code == Code::not_found) return std::nullopt;
    if (!fd) return std::unexpected(fd.error());
    KSMS_TRY(const auto info, info_of<bpf_map_info>(fd->get(), "look at " + path));
    std::vector<std::uint8_t> value(info.value_size);
    const std::uint32_t zero = 0;
    std::uint32_t abi = 0;
    if (info.key_size != sizeof zero || value.size() < sizeof abi ||
        bpf_map_lookup_elem(fd->get(), &zero, value.data()) != 0)
        return fail(Code::failed, path + " is not a map of ksms",
                    "another program pinned it; name another --pin-root");
    std::memcpy(&abi, value.data(), sizeof abi);
    return abi;
}

std::unexpected<Error> other_version(const PinRoot& root, std::uint32_t abi) {
    return fail(Code::failed,
                fmt::format("the maps under {} have ABI version {}, this program has {}", root.path,
                            abi, KSMS_ABI_VERSION),
                "use the ksmsctl of that version; or, once nothing of it runs and its `registry "
                "list` is empty, `ksmsctl uninstall --force`: the next command installs this "
                "version; or name another --pin-root");
}

}  // namespace ksms
