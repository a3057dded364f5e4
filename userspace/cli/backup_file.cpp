// SPDX-License-Identifier: BSD-2-Clause
#include "cli/backup_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/fd.hpp"
#include "base/write_all.hpp"
#include "cli/output_file.hpp"
#include "config/json_lines.hpp"
#include "config/parse_json.hpp"
#include "config/read_file.hpp"

namespace ksms {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr double kLatest =
    18446744073.0;  // seconds since the epoch; 64 bits of ns end in July 2554

/// One entry, checked.
class Entry {
public:
    Entry(const std::string& file, const std::string& job, const json& value)
        : file_(file), job_(job), value_(value) {}

    Result<SavedLease> read() {
        if (!value_.is_object()) return wrong("is not an object");
        SavedLease lease;
        lease.job = job_;
        if (!is_job_name(job_)) return wrong("is no name of a job");
        if (value_.contains("job_id") && value_["job_id"] != job_)
            return wrong("has another job_id: " + value_["job_id"].dump());
        KSMS_TRY(const auto dscp, whole("dscp", 0, KSMS_DSCPS - 1, true));
        lease.dscp = static_cast<std::uint8_t>(*dscp);
        KSMS_TRY(const auto pid, whole("pid", 1, 0x3fffff, false));
        if (pid) lease.pid = static_cast<std::uint32_t>(*pid);
        KSMS_TRY(lease.start, whole("start_time", 0, UINT64_MAX >> 22, false));
        KSMS_TRY(const auto uid, whole("uid", 0, UINT32_MAX, false));
        lease.uid = static_cast<std::uint32_t>(uid.value_or(0));
        KSMS_TRY(const auto allocated, time("allocated_at"));
        lease.allocated_at = allocated.value_or(WallTime{});
        KSMS_TRY(lease.expires_at, time("expires_at"));
        KSMS_TRY(lease.user, user());
        if (!lease.pid && !lease.expires_at)
            return wrong("has neither a pid nor an expires_at: nothing would end it");
        return lease;
    }

private:
    std::unexpected<Error> wrong(const std::string& what) const {
        return fail(Code::usage, fmt::format("{}: the allocation {} {}", file_, job_, what),
                    "nothing was restored");
    }
    [[nodiscard]] const json* member(const char* key) const {
        const auto found = value_.find(key);
        return found == value_.end() || found->is_null() ? nullptr : &*found;
    }
    Result<std::optional<std::uint64_t>> whole(const char* key, std::uint64_t least,
                                               std::uint64_t most, bool needed) const {
        const auto* value = member(key);
        if (value == nullptr && needed) return wrong(fmt::format("has no {}", key));
        if (value == nullptr) return std::nullopt;
        if (!value->is_number_unsigned() || value->get<std::uint64_t>() < least ||
            value->get<std::uint64_t>() > most)
            return wrong(
                fmt::format("has the {} {}, not one of {} to {}", key, value->dump(), least, most));
        return value->get<std::uint64_t>();
    }
    Result<std::optional<WallTime>> time(const char* key) const {
        const auto* value = member(key);
        if (value == nullptr) return std::nullopt;
        const auto seconds = value->is_number() ? value->get<double>() : -1;
        if (!(seconds >= 0 && seconds < kLatest))
            return wrong(fmt::format("has the {} {}, which is no time between 1970 and 2554", key,
                                     value->dump()));
        return WallTime(std::chrono::duration_cast<WallTime::duration>(Seconds(seconds)));
    }
    Result<std::string> user() const {
        const auto* value = member("username");
        if (value == nullptr) return std::string("unknown");
        if (!value->is_string()) return wrong("has a username that is not a string");
        return value->get<std::string>();
    }

    const std::string& file_;
    const std::string& job_;
    const json& value_;
};

}  // namespace

Result<std::vector<std::string>> write_backup(const std::string& path,
                                              const std::vector<ksms_lease>& leases,
                                              const Moment& now) {
    std::string text;
    std::vector<std::string> left_out;
    {
        JsonWriter writer([&](std::string_view piece) { text += piece; }, true);
        writer.begin_object().field("version", kVersion).key("allocations").begin_object();
        for (const auto& lease : leases) {
            // It could not be restored, and would prevent the restore of the others.
            if (!is_job_name(job_of(lease))) {
                left_out.push_back(
                    fmt::format("the lease of DSCP {} is left out: {} is no name of a "
                                "job",
                                lease.dscp, job_of(lease)));
                continue;
            }
            writer.key(job_of(lease));
            lease_object(writer, lease, now);
        }
        writer.end_object().end_object();
    }
    KSMS_TRY(auto file, OutputFile::create(path));
    KSMS_CHECK(write_all(file.fd(), text, path));
    KSMS_CHECK(file.commit());
    return left_out;
}

Result<std::vector<SavedLease>> parse_backup(std::string_view text, const std::string& name) {
    KSMS_TRY(const auto root,
             parse_json(text, name, "a truncated file loses nothing: nothing was restored"));
    const bool known = root.is_object() && root.contains("version") && root["version"] == kVersion;
    if (!known || !root.contains("allocations") || !root["allocations"].is_object())
        return fail(Code::usage, fmt::format("{} is no backup of version {}", name, kVersion),
                    R"(it looks like {"version":1,"allocations":{"JOB":{...}}})");
    // The library keeps only the last of repeated keys: a lease would be lost silently.
    const JsonLines lines(text);
    if (!lines.repeated().empty()) {
        const auto& [path, line] = lines.repeated().front();
        return fail(Code::usage, fmt::format("{}:{}: {} is given twice", name, line, path),
                    "nothing was restored");
    }
    std::vector<SavedLease> leases;
    std::set<std::uint8_t> dscps;
    for (const auto& [job, value] : root["allocations"].items()) {
        KSMS_TRY(auto lease, Entry(name, job, value).read());
        if (!dscps.insert(lease.dscp).second)
            return fail(Code::usage, fmt::format("{}: DSCP {} is given twice", name, lease.dscp),
                        "nothing was restored");
        leases.push_back(std::move(lease));
    }
    return leases;
}

Result<std::vector<SavedLease>> read_backup(const std::string& path) {
    KSMS_TRY(const auto text, read_file(path));
    return parse_backup(text, path);
}

}  // namespace ksms
