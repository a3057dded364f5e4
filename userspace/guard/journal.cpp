// SPDX-License-Identifier: BSD-2-Clause
#include "guard/journal.hpp"

#include <algorithm>

namespace ksms {

Result<Journal> Journal::read(const Objects& objects) {
    Journal journal;
    KSMS_CHECK(
        objects.journal.for_each([&](const ksms_journal_key& key, const ksms_journal_entry& entry) {
            if (is_claim(key))
                journal.claims.push_back({key, entry});
            else
                journal.owners[{key.pid, key.start}].push_back({key, entry});
        }));
    for (auto& [owner, items] : journal.owners)
        std::ranges::sort(items, std::ranges::greater{},
                          [](const JournalItem& item) { return item.key.number; });
    return journal;
}

ksms_journal_key claim_key(const ksms_journal_entry& qdisc) {
    return {.start = qdisc.cookie, .pid = 0, .number = qdisc.ifindex};
}

}  // namespace ksms
