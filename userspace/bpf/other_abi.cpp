// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/other_abi.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "bpf/attach.hpp"
#include "ksms/abi.h"

namespace ksms {
namespace {

/// The values of a pinned array, and where their fields are.
class Records {
public:
    static Result<Records> open(const std::string& path) {
        Records records;
        records.path_ = path;
        KSMS_TRY(records.fd_, open_pin(path));
        std::uint32_t size = sizeof records.info_;
        if (bpf_obj_get_info_by_fd(records.fd_.get(), &records.info_, &size) != 0)
            return fail_errno(errno, "look at " + path);
        records.btf_.reset(btf__load_from_kernel_by_id(records.info_.btf_id));
        if (!records.btf_ || records.info_.btf_value_type_id == 0 || records.info_.key_size != 4)
            return fail(Code::failed, path + " does not say what its values are");
        return records;
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
        KSMS_TRY(const auto field, find(name));
        std::uint64_t result = 0;
        std::memcpy(&result, value.data() + field.offset, std::min(field.size, sizeof result));
        return result;
    }
    [[nodiscard]] Result<std::string> text(const std::vector<std::uint8_t>& value,
                                           std::string_view name) const {
        KSMS_TRY(const auto field, find(name));
        const auto* from = reinterpret_cast<const char*>(value.data() + field.offset);
        return std::string(from, strnlen(from, field.size));
    }

private:
    struct Field {
        std::size_t offset, size;
    };

    [[nodiscard]] Result<Field> find(std::string_view name) const {
        const auto* type = btf__type_by_id(btf_.get(), info_.btf_value_type_id);
        if (type != nullptr && btf_is_struct(type)) {
            const auto* members = btf_members(type);
            for (std::uint32_t i = 0; i < btf_vlen(type); ++i) {
                if (btf__name_by_offset(btf_.get(), members[i].name_off) != name) continue;
                const auto offset = btf_member_bit_offset(type, i) / 8;
                const auto size = btf__resolve_size(btf_.get(), members[i].type);
                if (size > 0 && offset + static_cast<std::uint64_t>(size) <= info_.value_size)
                    return Field{offset, static_cast<std::size_t>(size)};
            }
        }
        return fail(Code::failed, fmt::format("the values of {} have no field {}", path_, name));
    }

    struct Free {
        void operator()(btf* types) const { btf__free(types); }
    };
    std::string path_;
    Fd fd_;
    bpf_map_info info_{};
    std::unique_ptr<btf, Free> btf_;
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
