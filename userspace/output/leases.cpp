// SPDX-License-Identifier: BSD-2-Clause
#include "output/leases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/clock.hpp"
#include "base/dscp.hpp"
#include "base/generation.hpp"
#include "output/layout.hpp"
#include "registry/record.hpp"

namespace ksms {
namespace {

constexpr int kEpochDecimals = 6;  // of seconds since the epoch

bool is_expired(const ksms_lease& lease, const Moment& now) {
    return lease.expires_ns != 0 && instant(lease.expires_ns) <= now.monotonic;
}

const char* status_of(const ksms_lease& lease, const Moment& now) {
    if ((lease.state & 0xff) != KSMS_LEASE_HELD) return "allocating";
    return is_expired(lease, now) ? "expired" : "active";
}

/// Seconds since the epoch.
double date(Instant at, const Moment& now) {
    const Seconds epoch = now.realtime.time_since_epoch();
    return (epoch + Seconds(at.time_since_epoch()) - Seconds(now.monotonic.time_since_epoch()))
        .count();
}

/// "12 s", "5 min", "3 h"
std::string span_text(nanoseconds time) {
    const auto s = time / std::chrono::seconds(1);
    if (s < 120) return fmt::format("{} s", s);
    if (s < 7200) return fmt::format("{} min", s / 60);
    return fmt::format("{} h", s / 3600);
}

std::string left_text(const ksms_lease& lease, const Moment& now) {
    if (lease.expires_ns == 0) return "never";
    return is_expired(lease, now) ? "expired"
                                  : "in " + span_text(instant(lease.expires_ns) - now.monotonic);
}

std::uint32_t free_of(const RegistryUse& use) {
    return use.capacity - std::min(use.capacity, use.in_use);
}

/// "32-39, 41"
std::string dscps_text(std::uint64_t mask) {
    std::vector<std::string> ranges;
    for (int first = 0; first < KSMS_DSCPS; ++first) {
        if ((mask >> first & 1) == 0) continue;
        const int last = first + std::countr_one(mask >> first) - 1;
        ranges.push_back(first == last ? std::to_string(first) : fmt::format("{}-{}", first, last));
        first = last;
    }
    return joined(ranges, ", ");
}

}  // namespace

double utilization(const RegistryUse& use) {
    return use.capacity == 0 ? 1.0 : static_cast<double>(use.in_use) / use.capacity;
}

std::string use_text(const RegistryUse& use) {
    const auto& counted = use.figures;
    return fmt::format(
        "in use  {} of {} ({:.0f} %), at most {} at once\n"
        "free    {}\n"
        "over    {}\n"
        "DSCPs   {}\n"
        "waiting {}\n"
        "since the start  {} allocated, {} released, {} reaped by exit, {} by time, {} waited, {} "
        "refused\n",
        use.in_use, use.capacity, 100 * utilization(use), counted.most, free_of(use), use.over,
        dscps_text(use.dscps), counted.waiting, counted.allocated, counted.released,
        counted.reaped_exit, counted.reaped_time, counted.waited, counted.refused);
}

void write_use_json(const RegistryUse& use, bool pretty, const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.registry-status/1");
    json.field("capacity", use.capacity).field("in_use", use.in_use).field("free", free_of(use));
    json.field("over", use.over).key("utilization").value(utilization(use), 3);
    json.key("dscps").begin_array();
    for (int dscp = 0; dscp < KSMS_DSCPS; ++dscp)
        if ((use.dscps >> dscp & 1) != 0) json.value(dscp);
    json.end_array();
    const auto& counted = use.figures;
    json.field("most", counted.most).field("waiting", counted.waiting);
    json.field("allocated", counted.allocated).field("released", counted.released);
    json.field("reaped_exit", counted.reaped_exit).field("reaped_time", counted.reaped_time);
    json.field("waited", counted.waited).field("refused", counted.refused);
    json.end_object();
}

Moment Moment::now() {
    return {ksms::monotonic(), ksms::realtime()};
}

std::string leases_text(const std::vector<ksms_lease>& leases, const Moment& now,
                        std::size_t width) {
    if (leases.empty()) return "no leases\n";
    Table table({"DSCP", "TOS", "JOB", "USER", "PID", "HELD FOR", "ENDS", "STATUS"});
    for (const auto& lease : leases) {
        const auto age = now.monotonic - std::min(now.monotonic, instant(lease.allocated_ns));
        table.add({std::to_string(lease.dscp), fmt::format("0x{:02x}", Dscp(lease.dscp).tos()),
                   job_of(lease), user_of(lease),
                   lease.owner_pid == 0 ? "-" : std::to_string(lease.owner_pid), span_text(age),
                   left_text(lease, now), status_of(lease, now)});
    }
    return table.text(width);
}

void lease_object(JsonWriter& json, const ksms_lease& lease, const Moment& now) {
    json.begin_object();
    json.field("dscp", lease.dscp).field("job_id", job_of(lease));
    json.field("username", user_of(lease)).field("uid", lease.uid);
    json.key("pid");
    lease.owner_pid == 0 ? json.null() : json.value(lease.owner_pid);
    json.key("start_time");
    lease.owner_pid == 0 ? json.null() : json.value(lease.owner_start);
    json.key("allocated_at").value(date(instant(lease.allocated_ns), now), kEpochDecimals);
    json.key("expires_at");
    if (lease.expires_ns == 0)
        json.null();
    else
        json.value(date(instant(lease.expires_ns), now), kEpochDecimals);
    json.field("status", status_of(lease, now))
        .field("generation", Generation::of_state(lease.state).value());
    json.end_object();
}

void write_leases_json(const std::vector<ksms_lease>& leases, const Moment& now, bool pretty,
                       const Sink& sink) {
    JsonWriter json(sink, pretty);
    json.begin_object().field("schema", "ksms.registry/1").key("leases").begin_array();
    for (const auto& lease : leases) lease_object(json, lease, now);
    json.end_array().end_object();
}

}  // namespace ksms
