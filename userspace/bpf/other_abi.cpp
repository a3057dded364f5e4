// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/other_abi.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "bpf/attach.hpp"
#include "bpf/record_layout.hpp"
#include "ksms/abi.h"

namespace ksms {
namespace {

/// The bytes of BTF that the kernel has.
Result<std::vector<std::uint8_t>> read_btf(std::uint32_t id, const std::string& path) {
    const Fd fd(bpf_btf_get_fd_by_id(id));
    if (!fd) return fail_errno(errno, "look up the types of " + path);
    // Asked for its size first.
    std::vector<std::uint8_t> bytes;
    for (int reading = 0; reading < 2; ++reading) {
        bpf_btf_info info{};
        std::uint32_t size = sizeof info;
        info.btf = reinterpret_cast<std::uintptr_t>(bytes.data());
        info.btf_size = static_cast<std::uint32_t>(bytes.size());
        if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
            return fail_errno(errno, "read the types of " + path);
        bytes.resize(info.btf_size);
    }
    return bytes;
}

/// The values of a pinned array, and where their fields are.
class Records {
public:
    static Result<Records> open(const std::string& path) {
        KSMS_TRY(auto fd, open_pin(path));
        bpf_map_info info{};
        std::uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
            return fail_errno(errno, "look at " + path);
        if (info.btf_id == 0 || info.btf_value_type_id == 0 || info.key_size != 4)
            return fail(Code::failed, path + " does not say what its values are");
        KSMS_TRY(const auto types, read_btf(info.btf_id, path));
        KSMS_TRY(auto layout,
                 RecordLayout::parse(types, info.btf_value_type_id, info.value_size, path));
        return Records(path, std::move(fd), info, std::move(layout));
    }

    [[nodiscard]] Result<std::vector<std::uint8_t>> read(std::uint32_t index) const {
        std::vector<std::uint8_t> value(info_.value_size);
        if (bpf_map_lookup_elem(fd_.get(), &index, value.data()) != 0)
            return fail_errno(errno, fmt::format("read entry {} of {}", index, path_));
        return value;
    }
    [[nodiscard]] std::uint32_t size() const { return info_.max_entries; }
    [[nodiscard]] Result<std::uint64_t> number(const std::vector<std::uint8_t>& value,
                                               std::string_view name) const {
        return layout_.number(value, name);
    }
    [[nodiscard]] Result<std::string> text(const std::vector<std::uint8_t>& value,
                                           std::string_view name) const {
        return layout_.text(value, name);
    }

private:
    Records(std::string path, Fd fd, const bpf_map_info& info, RecordLayout layout)
        : path_(std::move(path)), fd_(std::move(fd)), info_(info), layout_(std::move(layout)) {}

    std::string path_;
    Fd fd_;
    bpf_map_info info_;
    RecordLayout layout_;
};

Result<OtherLease> read_lease(const Records& leases, const std::vector<std::uint8_t>& value,
                              std::uint32_t dscp) {
    OtherLease lease;
    lease.dscp = dscp;
    KSMS_TRY(const auto pid, leases.number(value, "owner_pid"));
    KSMS_TRY(const auto uid, leases.number(value, "uid"));
    lease.owner_pid = static_cast<std::uint32_t>(pid);
    lease.uid = static_cast<std::uint32_t>(uid);
    KSMS_TRY(lease.owner_start, leases.number(value, "owner_start"));
    KSMS_TRY(lease.expires_ns, leases.number(value, "expires_ns"));
    KSMS_TRY(lease.job, leases.text(value, "job"));
    KSMS_TRY(lease.user, leases.text(value, "user"));
    return lease;
}

}  // namespace

Result<std::optional<OtherAbi>> find_other_abi(const PinRoot& root) {
    auto config = Records::open(root.path + "/config");
    if (!config && config.error().code == Code::not_found) return std::nullopt;
    if (!config) return std::unexpected(config.error());
    KSMS_TRY(const auto value, config->read(0));
    OtherAbi other;
    KSMS_TRY(const auto version, config->number(value, "abi"));
    other.version = static_cast<std::uint32_t>(version);
    if (other.version == KSMS_ABI_VERSION) return std::nullopt;
    KSMS_TRY(other.active_scans, config->number(value, "active_scans"));
    KSMS_TRY(const auto leases, Records::open(root.path + "/leases"));
    for (std::uint32_t dscp = 0; dscp < std::min<std::uint32_t>(leases.size(), KSMS_DSCPS);
         ++dscp) {
        KSMS_TRY(const auto entry, leases.read(dscp));
        KSMS_TRY(const auto state, leases.number(entry, "state"));
        if ((state & 0xff) == KSMS_LEASE_FREE) continue;
        KSMS_TRY(auto lease, read_lease(leases, entry, dscp));
        other.leases.push_back(std::move(lease));
    }
    return other;
}

}  // namespace ksms
