// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.hpp"
#include "guard/undo.hpp"

namespace ksms {
namespace {

constexpr std::chrono::milliseconds kWatchersTime{100};  // a watcher needs about 5 ms
constexpr std::chrono::milliseconds kPause{2};           // between two reads

struct Left {
    std::vector<JournalItem> items;  ///< of processes that have ended
    std::vector<Undone> unsure;      ///< of processes that could not be examined
};

Left left_by_the_dead(const Journal& journal) {
    Left left;
    for (const auto& [owner, items] : journal.owners) {
        const auto now = process_id(owner.pid);
        if (now ? now->start != owner.start : now.error().code == Code::not_found)
            std::ranges::copy(items, std::back_inserter(left.items));
        else if (!now)
            left.unsure.push_back({{},
                                   fmt::format("what process {} left, if it has ended", owner.pid),
                                   now.error().text()});
    }
    return left;
}

}  // namespace

Result<std::vector<Undone>> reconcile(const Objects& objects) {
    KSMS_TRY(auto journal, Journal::read(objects));
    auto left = left_by_the_dead(journal);
    const auto deadline = monotonic() + kWatchersTime;
    while (!left.items.empty() && monotonic() < deadline) {
        pause_for(kPause);
        KSMS_TRY(journal, Journal::read(objects));
        left = left_by_the_dead(journal);
    }
    if (left.items.empty() && journal.claims.empty()) return std::move(left.unsure);

    Undoer undoer(objects);
    auto outcomes = undoer.undo(left.items);
    // A qdisc is reported when it is removed, not when it becomes a claim.
    std::erase_if(outcomes, [](const Outcome& each) {
        return each.item.entry.kind == KSMS_DID_QDISC && each.done;
    });
    auto removed = undoer.remove_unused();
    if (removed) std::ranges::move(*removed, std::back_inserter(outcomes));

    auto undone = std::move(left.unsure);
    for (const auto& outcome : outcomes) undone.push_back(undoer.describe(outcome));
    if (!removed) undone.push_back({{}, kUnusedQdiscs, removed.error().text()});
    return undone;
}

}  // namespace ksms
