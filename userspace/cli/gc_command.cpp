// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include "bpf/mend.hpp"
#include "cli/command.hpp"
#include "guard/guard.hpp"
#include "os/process.hpp"
#include "output/health.hpp"
#include "registry/record.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

Result<std::vector<Removed>> collect(const Context& context) {
    std::vector<Removed> removed;
    const auto objects = Objects::open(context.root, Objects::Missing::fail);
    if (!objects && objects.error().code == Code::not_found) {
        KSMS_TRY(const bool dropped, drop_unused(context.root));
        if (dropped) removed.push_back({0, "the maps of a registry without pins", ""});
        return removed;
    }
    if (!objects) return std::unexpected(objects.error());
    KSMS_TRY(const auto undone, reconcile(*objects));
    for (const auto& each : undone) removed.push_back({each.owner.pid, each.what, each.error});
    const auto leases = Registry(objects->registry, context.config.limits).reap();
    if (!leases) {  // still report what was undone
        removed.push_back({0, "leases that are over", leases.error().text()});
        return removed;
    }
    for (const auto& lease : *leases)
        removed.push_back({lease.owner_pid,
                           fmt::format("lease of dscp {}, job {}", lease.dscp, job_of(lease)), ""});
    return removed;
}

Result<int> gc(Context& context, const Arguments&) {
    KSMS_CHECK(require_capabilities("gc"));
    KSMS_TRY(const auto removed, collect(context));
    auto& console = context.console;
    if (console.json())
        write_removed_json(removed, console.pretty(), console.sink());
    else
        console.write(removed_text(removed));
    for (const auto& each : removed)
        if (!each.error.empty()) return static_cast<int>(Code::failed);
    return 0;
}

}  // namespace

std::span<const Command> gc_commands() {
    static const Command commands[] = {
        {"gc", "", "Remove what dead ksms processes left", {}, 0, 0, false, gc}};
    return commands;
}

}  // namespace ksms
