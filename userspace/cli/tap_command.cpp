// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/command.hpp"
#include "guard/guard.hpp"
#include "os/process.hpp"
#include "output/layout.hpp"
#include "output/taps.hpp"
#include "taps/taps.hpp"

namespace ksms {
namespace {

Result<std::vector<Netns>> open_routers(const std::vector<std::string>& names) {
    std::vector<Netns> routers;
    for (const auto& name : names) {
        KSMS_TRY(auto router, Netns::open(name));
        routers.push_back(std::move(router));
    }
    return routers;
}

Result<std::vector<TapRow>> sorted_taps(const Objects& objects) {
    KSMS_TRY(auto rows, list_taps(objects));
    std::ranges::sort(rows, {}, [](const TapRow& row) {
        return std::tuple(std::string(row.tap.router_name), row.tap.ifindex, row.tap.direction,
                          row.id);
    });
    return rows;
}

/// The installed objects; none if nothing is installed, so that there are no taps.
Result<std::optional<Objects>> installed(const PinRoot& root) {
    auto objects = Objects::open(root, Objects::Missing::fail);
    if (objects) return std::optional<Objects>(std::move(*objects));
    if (objects.error().code == Code::not_found) return std::nullopt;
    return std::unexpected(std::move(objects).error());
}

Result<ProgramStats> read_stats(const Objects& objects) {
    ProgramStats stats(KSMS_STATS, 0);
    for (std::uint32_t i = 0; i < KSMS_STATS; ++i) {
        KSMS_TRY(const auto value, objects.stats.lookup(i));
        stats[i] = value.value_or(0);
    }
    return stats;
}

Result<int> show(Context& context, bool counters) {
    KSMS_TRY(const auto objects, installed(context.root));
    std::vector<TapRow> rows;
    ProgramStats stats;
    if (objects) {
        KSMS_TRY(rows, sorted_taps(*objects));
        KSMS_TRY(stats, read_stats(*objects));
    }
    auto& console = context.console;
    if (console.json())
        write_taps_json(rows, stats, console.pretty(), console.sink());
    else
        console.write(counters ? tap_counters_text(rows, stats, context.console.width())
                               : taps_text(rows, context.console.width()));
    return 0;
}

Result<int> list_rows(Context& context, const Arguments&) {
    KSMS_CHECK(require_capabilities("`ksmsctl tap list`"));
    return show(context, false);
}

Result<int> counters(Context& context, const Arguments&) {
    KSMS_CHECK(require_capabilities("`ksmsctl tap counters`"));
    return show(context, true);
}

Result<TapHooks> read_hooks(const Arguments& arguments) {
    const auto tap = arguments.text("tap").value_or("tc");
    if (tap == "tc") return TapHooks::tc;
    if (tap == "xdp") return TapHooks::xdp;
    if (tap == "netfilter")
        return fail(Code::usage, "--tap netfilter: only a scan attaches such taps",
                    "taps that stay are --tap tc, the default, or --tap xdp");
    return fail(Code::usage, fmt::format("--tap {}: it is tc or xdp", tap),
                "--tap tc is the default");
}

/// Prints the text, or with JSON the list of taps.
Result<int> tell(Context& context, const std::string& text) {
    if (context.console.json()) return show(context, false);
    context.console.write(text);
    return 0;
}

/// Call it before changes.
Status put_in_order(Console& console, const Objects& objects) {
    KSMS_TRY(const auto undone, reconcile(objects));
    std::vector<std::string> warnings;
    add_warnings(undone, warnings);
    for (const auto& warning : warnings) console.warn(warning);
    return {};
}

Result<int> attach(Context& context, const Arguments& arguments) {
    KSMS_TRY(const auto hooks, read_hooks(arguments));
    KSMS_CHECK(require_capabilities("attaching taps"));
    KSMS_TRY(const auto routers, open_routers(arguments.words));
    KSMS_TRY(const auto objects, Objects::open(context.root));
    KSMS_CHECK(put_in_order(context.console, objects));
    std::string text;
    std::vector<std::uint32_t> all;
    for (const auto& router : routers) {
        const auto added = attach_standing(objects, router, hooks);
        if (!added) {
            // All or nothing: detach the taps that were attached.
            KSMS_CHECK(detach_standing(objects, all));
            return std::unexpected(added.error());
        }
        all.insert(all.end(), added->begin(), added->end());
        text += fmt::format("{}: {} taps attached\n", printable(router.name()), added->size());
    }
    return tell(context, text);
}

/// A running scan does not judge a router whose taps are gone.
void warn_of_scans(Console& console, const Netns& router, const std::vector<std::uint32_t>& dscps) {
    for (const auto dscp : dscps)
        console.warn(
            fmt::format("the scan of dscp {} that runs now used these taps: {} will be "
                        "UNKNOWN in its answer",
                        dscp, router.name()));
}

Result<int> detach(Context& context, const Arguments& arguments) {
    KSMS_CHECK(require_capabilities("detaching taps"));
    KSMS_TRY(const auto routers, open_routers(arguments.words));
    KSMS_TRY(const auto objects, installed(context.root));
    if (objects) KSMS_CHECK(put_in_order(context.console, *objects));
    std::string text;
    for (const auto& router : routers) {
        std::size_t removed = 0;
        if (objects) {
            KSMS_TRY(const auto scans, scans_on(*objects, router));
            KSMS_TRY(removed, detach_standing(*objects, router));
            if (removed > 0) warn_of_scans(context.console, router, scans);
        }
        text += fmt::format("{}: {} taps detached\n", printable(router.name()), removed);
    }
    return tell(context, text);
}

constexpr std::size_t kMany = 1000;
constexpr Option kAttach[] = {
    {"tap", "tc|xdp", "tc: TC for both directions; xdp: XDP in, TC out (tc)"}};

}  // namespace

std::span<const Command> tap_commands() {
    static const Command commands[] = {
        {"tap attach", "ROUTER…", "Attach standing taps to every interface of these namespaces",
         kAttach, 1, kMany, false, attach},
        {"tap detach",
         "ROUTER…",
         "Detach the standing taps of these namespaces",
         {},
         1,
         kMany,
         false,
         detach},
        {"tap list", "", "List all taps", {}, 0, 0, false, list_rows},
        {"tap counters", "", "Show the counters of each tap", {}, 0, 0, false, counters},
    };
    return commands;
}

}  // namespace ksms
