// SPDX-License-Identifier: BSD-2-Clause
#include "guard/guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

#include "guard/undo.hpp"
#include "guard/watcher.hpp"

namespace ksms {
namespace {

/// Unique for all guards of this process, whose entries have the same owner.
std::uint32_t next_number() {
    static std::atomic<std::uint32_t> last{0};
    return ++last;
}

bool same(const ksms_journal_entry& a, const ksms_journal_entry& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

bool hangs_on_interface(const ksms_journal_entry& entry) {
    return entry.kind == KSMS_DID_QDISC || entry.kind == KSMS_DID_FILTER;
}

bool is_in_namespace(const ksms_journal_entry& entry) {
    return hangs_on_interface(entry) || entry.kind == KSMS_DID_NEIGHBOUR;
}

}  // namespace

struct Guard::State {
    State(const Objects& with, const ProcessId& process, std::shared_ptr<Watcher> child)
        : objects(with), self(process), watcher(std::move(child)), undoer(with) {}

    template <typename Wanted>
    void undo_if(Wanted wanted, std::vector<Undone>& failures);
    void leave(std::vector<Undone>& failures);

    const Objects& objects;
    ProcessId self;
    std::shared_ptr<Watcher> watcher;
    Undoer undoer;
    std::map<std::uint64_t, NetnsLock> entered;  ///< by the namespace's cookie
    std::vector<JournalItem> items;              ///< journal entries in the order of writing
};

Guard::Guard(std::unique_ptr<State> state) : state_(std::move(state)) {}
Guard::Guard(Guard&&) noexcept = default;

Guard& Guard::operator=(Guard&& other) noexcept {
    if (this == &other) return *this;
    const Guard before(std::move(*this));
    state_ = std::move(other.state_);
    return *this;
}

Guard::~Guard() {
    if (state_) undo_all();
}

Result<Guard> Guard::start(const Objects& objects) {
    KSMS_TRY(const auto self, this_process());
    KSMS_TRY(auto watcher, Watcher::start(objects, self));
    return Guard(
        std::make_unique<State>(objects, self, std::make_shared<Watcher>(std::move(watcher))));
}

Guard Guard::another() const {
    return Guard(std::make_unique<State>(state_->objects, state_->self, state_->watcher));
}

bool Guard::is_watched() const {
    return state_->watcher->is_alive();
}

Status Guard::enter(const Netns& netns) {
    if (state_->entered.contains(netns.cookie())) return {};
    KSMS_CHECK(state_->undoer.know(netns));
    KSMS_TRY(auto lock, NetnsLock::shared(netns));
    state_->entered.emplace(netns.cookie(), std::move(lock));
    return {};
}

Status Guard::will(const ksms_journal_entry& entry) {
    if (hangs_on_interface(entry) && !state_->entered.contains(entry.cookie))
        return fail(Code::failed, fmt::format("claim something in namespace {}: it was not entered",
                                              entry.netns));
    if (is_in_namespace(entry) && entry.cookie == 0)
        return fail(Code::not_allowed,
                    fmt::format("claim something in namespace {}: it may not be entered, and could "
                                "not be found again",
                                entry.netns));
    const JournalItem item{
        {.start = state_->self.start, .pid = state_->self.pid, .number = next_number()}, entry};
    KSMS_CHECK(state_->objects.journal.update(item.key, item.entry, Update::create));
    state_->items.push_back(item);
    return {};
}

Status Guard::forget(const ksms_journal_entry& entry) {
    auto& items = state_->items;
    const auto last = std::find_if(items.rbegin(), items.rend(), [&](const JournalItem& item) {
        return same(item.entry, entry);
    });
    if (last == items.rend()) return {};
    KSMS_TRY([[maybe_unused]] const bool erased, state_->objects.journal.erase(last->key));
    items.erase(std::next(last).base());
    return {};
}

template <typename Wanted>
void Guard::State::undo_if(Wanted wanted, std::vector<Undone>& failures) {
    const auto chosen = std::ranges::stable_partition(
        items, [&](const JournalItem& item) { return !wanted(item.entry); });
    const std::vector<JournalItem> last_first(std::make_reverse_iterator(chosen.end()),
                                              std::make_reverse_iterator(chosen.begin()));
    items.erase(chosen.begin(), chosen.end());
    for (const auto& outcome : undoer.undo(last_first)) {
        if (outcome.done) continue;
        failures.push_back(undoer.describe(outcome));
        items.push_back(outcome.item);
    }
    std::ranges::sort(items, {}, [](const JournalItem& item) { return item.key.number; });
}

/// Leaves the namespaces in which we have no qdisc or filter any more; see qdisc.cpp.
void Guard::State::leave(std::vector<Undone>& failures) {
    std::map<std::uint64_t, NetnsLock> left;
    std::map<std::uint64_t, std::vector<JournalItem>> last_out;
    for (auto each = entered.begin(); each != entered.end();) {
        const auto here = each++;
        if (std::ranges::any_of(items, [&](const JournalItem& item) {
                return hangs_on_interface(item.entry) && item.entry.cookie == here->first;
            }))
            continue;
        const auto alone = here->second.try_exclusive();
        if (alone && *alone) last_out[here->first];
        if (!alone) failures.push_back({self, kUnusedQdiscs, alone.error().text()});
        left.insert(entered.extract(here));
    }
    if (last_out.empty()) return;
    const auto journal = Journal::read(objects);
    if (!journal) {  // the next command handles the claims
        failures.push_back({self, kUnusedQdiscs, journal.error().text()});
        return;
    }
    for (const auto& claim : journal->claims)
        if (const auto ours = last_out.find(claim.entry.cookie); ours != last_out.end())
            ours->second.push_back(claim);
    for (const auto& [cookie, claims] : last_out)
        for (const auto& outcome : undoer.remove_unused(claims))
            if (!outcome.done) failures.push_back(undoer.describe(outcome));
}

std::vector<Undone> Guard::undo_all() {
    auto failures = undo_but_leases();
    auto leases = undo(KSMS_DID_LEASE);
    std::ranges::move(leases, std::back_inserter(failures));
    return failures;
}

std::vector<Undone> Guard::undo_but_leases() {
    std::vector<Undone> failures;
    state_->undo_if([](const ksms_journal_entry& entry) { return entry.kind != KSMS_DID_LEASE; },
                    failures);
    state_->leave(failures);
    state_->undoer.forget_namespaces();  // the guard may be used for the next scan
    return failures;
}

std::vector<Undone> Guard::undo(ksms_journal_kind kind) {
    std::vector<Undone> failures;
    state_->undo_if([&](const ksms_journal_entry& entry) { return entry.kind == kind; }, failures);
    if (kind == KSMS_DID_QDISC) state_->leave(failures);
    return failures;
}

std::vector<Undone> Guard::undo_taps(const std::set<std::uint32_t>& ids) {
    std::vector<Undone> failures;
    state_->undo_if(
        [&](const ksms_journal_entry& entry) {
            return entry.kind == KSMS_DID_TAP && ids.contains(entry.handle);
        },
        failures);
    return failures;
}

}  // namespace ksms
