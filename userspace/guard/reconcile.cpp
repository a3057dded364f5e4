// SPDX-License-Identifier: BSD-2-Clause
#include <poll.h>

#include <algorithm>
#include <ctime>

#include "base/clock.hpp"
#include "guard/undo.hpp"

namespace ksms {
namespace {

constexpr std::uint64_t kWatchersTime = 100'000'000;  // ns; a watcher needs some 5 ms
constexpr long kPause = 2'000'000;                    // ns between two looks

std::vector<JournalItem> left_by_the_dead(const Journal& journal) {
    std::vector<JournalItem> left;
    for (const auto& [owner, items] : journal.owners)
        if (!is_alive(owner)) std::ranges::copy(items, std::back_inserter(left));
    return left;
}

void pause() {
    const timespec time{0, kPause};
    ppoll(nullptr, 0, &time, nullptr);
}

}  // namespace

Result<std::vector<Undone>> reconcile(const Objects& objects) {
    KSMS_TRY(auto journal, Journal::read(objects));
    auto left = left_by_the_dead(journal);
    const auto deadline = monotonic_ns() + kWatchersTime;
    while (!left.empty() && monotonic_ns() < deadline) {
        pause();
        KSMS_TRY(journal, Journal::read(objects));
        left = left_by_the_dead(journal);
    }
    if (left.empty() && journal.claims.empty()) return std::vector<Undone>{};

    Undoer undoer(objects);
    std::vector<Outcome> outcomes;
    for (const auto& item : left) outcomes.push_back({item, undoer.undo(item)});
    // A qdisc is spoken of when it is removed, not when it becomes a claim.
    std::erase_if(outcomes, [](const Outcome& each) {
        return each.item.entry.kind == KSMS_DID_QDISC && each.done;
    });
    KSMS_TRY(auto removed, undoer.remove_unused());
    std::ranges::move(removed, std::back_inserter(outcomes));

    std::vector<Undone> undone;
    for (const auto& outcome : outcomes) undone.push_back(undoer.describe(outcome));
    return undone;
}

}  // namespace ksms
