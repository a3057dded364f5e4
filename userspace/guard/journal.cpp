// SPDX-License-Identifier: BSD-2-Clause
#include "guard/journal.hpp"

#include <algorithm>

namespace ksms {

Journal Journal::of(const std::vector<JournalItem>& items) {
    Journal journal;
    for (const auto& item : items) {
        if (is_claim(item.key))
            journal.claims.push_back(item);
        else
            journal.owners[{item.key.pid, item.key.start}].push_back(item);
    }
    for (auto& [owner, written] : journal.owners)
        std::ranges::sort(written, std::ranges::greater{},
                          [](const JournalItem& item) { return item.key.number; });
    return journal;
}

Result<Journal> Journal::read(const Objects& objects) {
    std::vector<JournalItem> items;
    KSMS_CHECK(
        objects.journal.for_each([&](const ksms_journal_key& key, const ksms_journal_entry& entry) {
            items.push_back({key, entry});
        }));
    return of(items);
}

ksms_journal_key claim_key(const ksms_journal_entry& qdisc) {
    return {.start = qdisc.cookie, .pid = 0, .number = qdisc.ifindex};
}

}  // namespace ksms
