// SPDX-License-Identifier: BSD-2-Clause
// Takes back what the journal says, and exactly that. Safe beside other processes that undo the
// same entries: what is gone already is fine, what became somebody else's stays.
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

/// An entry, and how undoing it ended.
struct Outcome {
    JournalItem item;
    Status done;
};

class Undoer {
public:
    explicit Undoer(const Objects& objects) : objects_(objects) {}

    /// A namespace that is open already need not be looked for.
    Status know(const Netns& netns);
    /// Lets go of every namespace: one that is held open outlives its deletion.
    void forget_namespaces();

    /// Undoes entries in this order, taps behind all others, and erases them from the journal. An
    /// entry stays unless the deed was undone, or what it was done to is known to be gone: a
    /// failure to look is an error. A qdisc is not removed here but becomes nobody's claim
    /// (journal.hpp): others may use it still. For a tap whose link is held, by nobody who uses it,
    /// it waits up to a second (tap.cpp).
    /// @return one for each, in the order in which they were undone
    std::vector<Outcome> undo(std::span<const JournalItem> items);
    /// Removes the claimed clsacts of one namespace on which no filter is left, under its lock.
    /// @param claims  of that namespace only
    /// @return what was removed, or could not be; nothing for those still in use
    std::vector<Outcome> remove_unused(std::span<const JournalItem> claims);
    /// The same in every namespace that nobody holds any more.
    /// @return an error where the journal could not be read; what failed in one namespace is an
    /// outcome of its claims
    Result<std::vector<Outcome>> remove_unused();

    [[nodiscard]] Undone describe(const Outcome& outcome);

private:
    /// A namespace that entries speak of.
    struct Place {
        Netns netns;
        std::optional<Netlink> netlink;                             ///< opened when needed
        std::optional<std::map<std::uint32_t, std::string>> names;  ///< of interfaces
    };
    /// @return Code::not_found only where the namespace is known to be gone
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
    std::set<std::uint64_t> gone_;           ///< cookies; never used again
    bool listed_{false};                     ///< every namespace of the machine was looked at
};

}  // namespace ksms
