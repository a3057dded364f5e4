// SPDX-License-Identifier: BSD-2-Clause
// Several processes may use one link, and the last one takes the tap's entry back. The kernel tells
// that somebody holds a link, and not what for: whoever lists the links of the machine holds each
// of them for a moment. The users stand in the journal. So who lets a link go marks his entry there
// and looks afterwards: where another's has no mark, that one comes later and is the last. Where
// there is none nobody else would do it: he waits until the link is gone. Of users who let go
// together each sees the marks of those before him, and the latest sees them all.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>

#include "base/clock.hpp"
#include "bpf/attach.hpp"
#include "guard/undo.hpp"

namespace ksms {
namespace {

constexpr std::chrono::seconds kOnlookersTime{1};
constexpr std::chrono::milliseconds kOnlookersPause{1};

Result<std::set<std::uint32_t>> used_taps(const Objects& objects) {
    std::set<std::uint32_t> used;
    KSMS_CHECK(
        objects.journal.for_each([&](const ksms_journal_key&, const ksms_journal_entry& entry) {
            if (entry.kind == KSMS_DID_TAP && entry.leaving == 0) used.insert(entry.handle);
        }));
    return used;
}

Status held_by_a_stranger(std::uint32_t id) {
    return fail(Code::failed,
                fmt::format("let the tap {} go: a process that does not use it holds its link", id),
                "`bpftool link` names processes");
}

}  // namespace

std::vector<Outcome> Undoer::undo_taps(std::span<const JournalItem> items) const {
    std::vector<Outcome> outcomes;
    for (const auto& item : items) outcomes.push_back({item, {}});
    std::vector<Outcome*> held;
    std::ranges::transform(outcomes, std::back_inserter(held), [](Outcome& each) { return &each; });
    const auto settle = [&](auto&& work) {
        std::erase_if(held, [&](Outcome* tap) {
            const Result<bool> settled = work(tap->item);
            if (!settled) tap->done = std::unexpected(settled.error());
            return !settled || *settled;
        });
    };
    const auto deadline = monotonic() + kOnlookersTime;
    settle([&](const JournalItem& item) { return free_tap(item); });
    settle([&](const JournalItem& item) { return mark_leaving(item); });
    while (!held.empty()) {
        const auto used = used_taps(objects_);
        settle([&](const JournalItem& item) -> Result<bool> {
            if (!used) return std::unexpected(used.error());
            if (!used->contains(item.entry.handle)) return false;
            KSMS_TRY([[maybe_unused]] const bool erased, objects_.journal.erase(item.key));
            return true;
        });
        if (held.empty()) break;
        const bool late = monotonic() >= deadline;
        if (!late) pause_for(kOnlookersPause);
        settle([&](const JournalItem& item) { return free_tap(item); });
        if (!late) continue;
        for (auto* tap : held) tap->done = held_by_a_stranger(tap->item.entry.handle);
        break;
    }
    return outcomes;
}

/// @return false: somebody holds its link
Result<bool> Undoer::free_tap(const JournalItem& item) const {
    KSMS_TRY(const auto standing, objects_.journal.lookup(item.key));
    if (!standing) return true;  // undone by another since it was read
    const auto id = item.entry.handle;
    KSMS_TRY(const auto tap, objects_.taps.lookup(id));
    bool ours = tap.has_value();
    if (tap && tap->link == 0) ours = tap->owner_pid == item.key.pid;
    if (tap && tap->link != 0) {
        KSMS_TRY(const bool there, link_exists(tap->link));
        if (there && tap->owner_pid != 0) return false;
        ours = !there;  // else it is pinned by now, and stays
    }
    if (ours) {
        const ksms_tap_id_key place{tap->router, tap->ifindex, tap->direction, tap->kind};
        KSMS_TRY(const auto entered, objects_.tap_ids.lookup(place));
        if (entered == id) {
            KSMS_TRY([[maybe_unused]] const bool erased, objects_.tap_ids.erase(place));
        }
        KSMS_TRY([[maybe_unused]] const bool erased, objects_.taps.erase(id));
    }
    KSMS_TRY([[maybe_unused]] const bool erased, objects_.journal.erase(item.key));
    return true;
}

/// @return true: it was undone by another
Result<bool> Undoer::mark_leaving(const JournalItem& item) const {
    auto entry = item.entry;
    entry.leaving = 1;
    const auto marked = objects_.journal.update(item.key, entry, Update::existing);
    if (marked) return false;
    if (marked.error().err == ENOENT) return true;
    return std::unexpected(marked.error());
}

}  // namespace ksms
