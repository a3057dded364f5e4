// SPDX-License-Identifier: BSD-2-Clause
// What stands in the journal map, sorted by who wrote it.
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
    /// Of each process, the highest number first: the order of undoing.
    std::map<ProcessId, std::vector<JournalItem>> owners;
    /// clsact qdiscs of ours whose creator has left: whoever is the last out takes them away.
    std::vector<JournalItem> claims;

    static Journal of(const std::vector<JournalItem>& items);
    static Result<Journal> read(const Objects& objects);
};

/// Nobody's key: an interface has one clsact, whoever of us made it.
[[nodiscard]] ksms_journal_key claim_key(const ksms_journal_entry& qdisc);
[[nodiscard]] inline bool is_claim(const ksms_journal_key& key) {
    return key.pid == 0;
}

}  // namespace ksms
