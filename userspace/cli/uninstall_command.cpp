// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl uninstall: removes what stays installed by design.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "bpf/attach.hpp"
#include "bpf/keeper.hpp"
#include "bpf/mend.hpp"
#include "bpf/uninstall.hpp"
#include "bpf/version.hpp"
#include "cli/command.hpp"
#include "guard/guard.hpp"
#include "guard/journal.hpp"
#include "os/process.hpp"
#include "output/health.hpp"
#include "registry/registry.hpp"

namespace ksms {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kRefused =
    "end them first (`systemctl stop ksmsd`, `ksmsctl registry release`), or use --force: then "
    "they "
    "lose what they hold";

/// Processes that use the maps, each listed once.
class Users {
public:
    void add(std::uint32_t pid, const char* what) {
        if (pid != 0 && known_.insert(pid).second)
            words_.push_back(fmt::format("process {} {}", pid, what));
    }
    [[nodiscard]] Words take() { return std::move(words_); }

private:
    std::set<std::uint32_t> known_;
    Words words_;
};

Status add_keepers(const Objects& objects, Users& users) {
    Status looked;
    KSMS_CHECK(objects.taps.for_each([&](const std::uint32_t&, const ksms_tap& tap) {
        if (tap.dscp != KSMS_EVERY_SCAN) return;
        const auto held = link_exists(tap.link);
        if (held && *held) users.add(tap.owner_pid, "keeps taps");
        if (!held) looked = std::unexpected(held.error());
    }));
    return looked;
}

/// Users who would lose something.
Result<Words> holders(const Objects& objects, const RegistryLimits& limits) {
    Words words;
    KSMS_TRY(const auto leases, Registry(objects.registry, limits).list());
    for (const auto& lease : leases)
        words.push_back(fmt::format("DSCP {}: {}", lease.dscp, holder_of(lease)));
    Users users;
    KSMS_TRY(const auto journal, Journal::read(objects));
    for (const auto& [owner, items] : journal.owners)
        if (is_alive(owner)) users.add(owner.pid, "scans, or keeps taps");
    KSMS_CHECK(add_keepers(objects, users));
    KSMS_TRY(const auto waiters, objects.registry.waiters.array());
    for (const auto& waiter : waiters)
        if ((waiter.state & 0xff) != KSMS_WAITER_FREE &&
            is_owner_alive({ksms_process_word_pid(waiter.process), waiter.process >> 22}))
            users.add(ksms_process_word_pid(waiter.process), "waits for a DSCP");
    std::ranges::move(users.take(), std::back_inserter(words));
    return words;
}

/// The steps of an uninstall.
class Uninstall {
public:
    Uninstall(const Context& context, bool force)
        : context_(context), root_(context.root), force_(force) {}

    Status look() {
        KSMS_TRY(installed_, find_installed(root_));
        if (installed_.directories.empty()) return look_at_cgroup();
        KSMS_TRY(const auto abi, installed_abi(root_));
        if (abi && *abi != KSMS_ABI_VERSION) {
            held_.push_back(
                fmt::format("its maps have ABI version {}, whose own ksmsctl tells who "
                            "holds a DSCP there",
                            *abi));
            return {};
        }
        auto objects = Objects::open(root_, Objects::Missing::fail);
        if (!objects && objects.error().code == Code::not_found)
            return {};  // no maps, only leftovers
        if (!objects) return std::unexpected(objects.error());
        objects_ = std::move(*objects);
        KSMS_TRY(held_, holders(*objects_, context_.config.limits));
        return {};
    }

    /// Undoes what is in the journal, because only the journal knows it.
    Status put_in_order() {
        if (!objects_) return {};
        KSMS_TRY(const auto undone, reconcile(*objects_));
        add_warnings(undone, not_undone_);
        return {};
    }

    Status remove() {
        if (installed_.directories.empty()) {
            KSMS_TRY([[maybe_unused]] const bool let, let_go(root_));
            return {};
        }
        return remove_installed(root_, [this](const PinRoot&) { return is_free(); });
    }

    [[nodiscard]] const Installed& installed() const { return installed_; }
    [[nodiscard]] const Words& held() const { return held_; }
    [[nodiscard]] const Words& not_undone() const { return not_undone_; }

    [[nodiscard]] Status refusal() const {
        if (force_) return {};
        if (!held_.empty())
            return fail(Code::failed,
                        fmt::format("{} is in use: {}", root_.path, fmt::join(held_, "; ")),
                        kRefused);
        if (!not_undone_.empty())
            return fail(Code::failed,
                        fmt::format("the journal under {} is all that knows of these: {}",
                                    root_.path, fmt::join(not_undone_, "; ")),
                        "remove them first (`ksmsctl gc`), or use --force");
        return {};
    }

private:
    /// The pins were removed by hand.
    Status look_at_cgroup() {
        if (installed_.cgroup.empty()) return {};
        KSMS_TRY(const bool unused, is_unused(root_));
        if (!unused) held_.emplace_back("DSCPs are held in maps whose pins somebody removed");
        return {};
    }

    /// Checks for users again, who may have come after the first check.
    Status is_free() {
        if (objects_) {
            KSMS_TRY(held_, holders(*objects_, context_.config.limits));
        }
        return refusal();
    }

    const Context& context_;
    const PinRoot& root_;
    Installed installed_;
    std::optional<Objects> objects_;
    Words held_, not_undone_;
    bool force_;
};

std::vector<Removed> parts_of(const Installed& installed, const PinRoot& root) {
    std::vector<Removed> parts;
    const auto hook = root.path + "/" + kExitHook;
    if (!installed.pins.empty())
        parts.push_back({0, fmt::format("{} pins under {}", installed.pins.size(), root.path), ""});
    if (std::ranges::find(installed.pins, hook) != installed.pins.end())
        parts.push_back({0, "the program on the end of processes", ""});
    if (!installed.directories.empty()) parts.push_back({0, "the directory " + root.path, ""});
    if (!installed.cgroup.empty()) parts.push_back({0, "the cgroup " + installed.cgroup, ""});
    return parts;
}

void tell(Console& console, const Uninstall& work, const PinRoot& root, bool dry_run) {
    const auto parts = parts_of(work.installed(), root);
    if (console.json()) {
        write_uninstalled_json(parts, work.held(), dry_run, console.pretty(), console.sink());
        return;
    }
    if (parts.empty()) console.write(fmt::format("nothing is installed under {}\n", root.path));
    for (const auto& part : parts)
        console.write(fmt::format("{} {}\n", dry_run ? "would remove" : "removed", part.what));
    if (!dry_run) return;
    for (const auto& holder : work.held()) console.write(fmt::format("in use: {}\n", holder));
}

Result<int> uninstall_command(Context& context, const Arguments& arguments) {
    KSMS_CHECK(require_capabilities("uninstall"));
    const bool dry_run = arguments.has("dry-run");
    Uninstall work(context, arguments.has("force"));
    KSMS_CHECK(work.look());
    if (dry_run) {
        tell(context.console, work, context.root, true);
        return work.refusal() ? 0 : static_cast<int>(Code::failed);
    }
    KSMS_CHECK(work.refusal());
    KSMS_CHECK(work.put_in_order());
    KSMS_CHECK(work.refusal());
    if (!work.installed().empty()) KSMS_CHECK(work.remove());
    for (const auto& warning : work.not_undone()) context.console.warn(warning);
    for (const auto& holder : work.held()) context.console.warn("it was in use: " + holder);
    tell(context.console, work, context.root, false);
    return 0;
}

constexpr Option kOptions[] = {
    {"dry-run", nullptr, "list what would be removed and who uses it"},
    {"force", nullptr, "even if leases are held or scans run, which then fail"}};

}  // namespace

std::span<const Command> uninstall_commands() {
    static const Command commands[] = {{"uninstall", "[--dry-run] [--force]",
                                        "Remove the pins, the exit hook and the cgroup", kOptions,
                                        0, 0, false, uninstall_command}};
    return commands;
}

}  // namespace ksms
