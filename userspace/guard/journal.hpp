// SPDX-License-Identifier: BSD-2-Clause
// The content of the journal map, by owner.
#pragma once

#include <map>
#include <vector>

#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "ksms/abi.h"
#include "os/process.hpp"

namespace ksms {

struct JournalItem {
    ksms_journal_key key{};
    ksms_journal_entry entry{};
};

struct Journal {
    /// For each process, the highest number first: the order of undoing.
    std::map<ProcessId, std::vector<JournalItem>> owners;
    /// Our clsact qdiscs whose creator has left the namespace. The last scan there removes them.
    std::vector<JournalItem> claims;

    static Journal of(const std::vector<JournalItem>& items);
    static Result<Journal> read(const Objects& objects);
};

/// The key of a claim. It has no owner: an interface has one clsact, whichever scan created it.
[[nodiscard]] ksms_journal_key claim_key(const ksms_journal_entry& qdisc);
[[nodiscard]] inline bool is_claim(const ksms_journal_key& key) {
    return key.pid == 0;
}

}  // namespace ksms
