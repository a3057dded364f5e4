// SPDX-License-Identifier: BSD-2-Clause
// Undoes exactly what the journal records. Other processes may undo the same entries at the same
// time: objects that are gone are no error, objects that are no longer ours stay.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "guard/guard.hpp"
#include "guard/journal.hpp"
#include "os/netlink.hpp"
#include "os/netns.hpp"

namespace ksms {

/// An entry and the result of undoing it.
struct Outcome {
    JournalItem item;
    Status done;
};

class Undoer {
public:
    explicit Undoer(const Objects& objects) : objects_(objects) {}

    /// Makes an open namespace known, so that it need not be searched.
    Status know(const Netns& netns);
    /// Closes all namespaces: an open descriptor keeps a deleted namespace alive.
    void forget_namespaces();

    /// Undoes entries in this order, taps last, and erases them from the journal. An entry stays if
    /// undoing failed or the object could not be examined. A qdisc is not removed but becomes a
    /// claim (journal.hpp), because other scans may use it. If a link of a tap is held by a process
    /// that does not use the tap, it waits up to a second (tap.cpp).
    /// @return one for each, in the order in which they were undone
    std::vector<Outcome> undo(std::span<const JournalItem> items);
    /// Removes the claimed clsact qdiscs of one namespace that have no filters, under its lock.
    /// @param claims  of that namespace only
    /// @return what was removed or could not be; without those still in use
    std::vector<Outcome> remove_unused(std::span<const JournalItem> claims);
    /// The same in every namespace whose lock is free.
    /// @return an error if the journal could not be read; failures in a namespace are outcomes of
    /// its claims
    Result<std::vector<Outcome>> remove_unused();

    [[nodiscard]] Undone describe(const Outcome& outcome);

private:
    /// A namespace of journal entries.
    struct Place {
        Netns netns;
        std::optional<Netlink> netlink;                             ///< opened when needed
        std::optional<std::map<std::uint32_t, std::string>> names;  ///< of interfaces
    };
    /// @return Code::not_found only if the namespace is certainly deleted
    Result<Place*> find(const ksms_journal_entry& entry);
    Status list_namespaces();
    Result<std::vector<Outcome>> remove_alone(std::span<const JournalItem> claims);
    Status in_place(const ksms_journal_entry& entry, const std::function<Status(Netlink&)>& work);
    Status undo_one(const JournalItem& item);
    Status take_back(const JournalItem& item);
    Status clear_slot(const JournalItem& item) const;
    Status release_lease(const ksms_journal_entry& entry) const;
    std::vector<Outcome> undo_taps(std::span<const JournalItem> items) const;
    Result<bool> free_tap(const JournalItem& item) const;
    Result<bool> mark_leaving(const JournalItem& item) const;
    std::string interface_in(const ksms_journal_entry& entry, std::string& netns);

    const Objects& objects_;
    std::map<std::uint64_t, Place> places_;  ///< by cookie
    std::set<std::uint64_t> gone_;           ///< cookies, which are never reused
    bool listed_{false};                     ///< all namespaces were listed
};

}  // namespace ksms
