// SPDX-License-Identifier: BSD-2-Clause
// Changes to the machine that the kernel does not undo by itself are written to the journal map
// first. They are undone from there by the process at its end, by its watcher if the process is
// killed, or by the next command (reconcile) if both were killed.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "ksms/abi.h"
#include "os/netns.hpp"
#include "os/process.hpp"

namespace ksms {

/// The lladdr of a temporary neighbour: 02:6b:73:6d:00:DSCP ("ksm", locally administered).
[[nodiscard]] Mac fake_mac(std::uint8_t dscp);
/// NDA_PROTOCOL of a temporary neighbour.
inline constexpr std::uint8_t kNeighbourProtocol = 0x6b;
/// TCA_BPF_NAME of our filters. Filters with other names are never removed.
inline constexpr const char* kFilterName = "ksms";
/// Handles of our filters: 0x4b53 ("KS") << 16 | direction << 8 | dscp.
[[nodiscard]] std::uint32_t filter_handle(ksms_direction direction, std::uint8_t dscp);

/// An undone change, for messages.
struct Undone {
    ProcessId owner;
    std::string what;   ///< "filter on eth0 (ingress) in hq-gw"
    std::string error;  ///< "": undone or gone already; else the entry is still in the journal
};
/// Undone::what if the qdiscs could not be examined.
inline constexpr const char* kUnusedQdiscs = "clsact qdiscs that nobody uses any more";
/// Adds a warning for each change that could not be undone.
void add_warnings(const std::vector<Undone>& undone, std::vector<std::string>& warnings);

class Guard {
public:
    /// Forks the watcher. Call it while the process has one thread. The watcher only has its end of
    /// a socket and the maps, ignores SIGINT, SIGTERM and SIGHUP, has its own session, and runs
    /// until this object is destroyed or the process ends.
    static Result<Guard> start(const Objects& objects);
    /// Another guard of this process that shares the watcher. Each guard undoes its own entries.
    [[nodiscard]] Guard another() const;
    /// Whether the watcher is alive. Without it a kill -9 of this process leaves changes behind.
    [[nodiscard]] bool is_watched() const;
    Guard(Guard&&) noexcept;
    Guard& operator=(Guard&&) noexcept;
    ~Guard();  ///< undoes the rest, then ends the watcher and waits for it

    /// Holds NetnsLock::shared on the namespace until its qdiscs and filters are undone, so that no
    /// other process removes an empty clsact meanwhile. Call it before qdiscs(); will() refuses a
    /// qdisc or filter in a namespace that was not entered. Idempotent. Order: enter(); qdiscs();
    /// without a clsact will(did_qdisc) and add_clsact(); will(did_filter) and add_bpf_filter();
    /// forget() if an add returns EEXIST.
    Status enter(const Netns& netns);
    /// Writes an entry (made by the functions below). Make the change afterwards.
    Status will(const ksms_journal_entry& entry);
    /// Removes an entry without undoing it, because the change was not made or is to stay. A
    /// missing entry is no error.
    Status forget(const ksms_journal_entry& entry);
    /// Undoes all entries of this guard, last first. Idempotent. Failures are returned and stay in
    /// the journal.
    std::vector<Undone> undo_all();
    /// The same without leases, which the next round of the scan needs.
    std::vector<Undone> undo_but_leases();
    /// Undoes the entries of this kind.
    std::vector<Undone> undo(ksms_journal_kind kind);
    /// Undoes these taps, whose links this process holds no more.
    std::vector<Undone> undo_taps(const std::set<std::uint32_t>& ids);

private:
    struct State;
    explicit Guard(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

[[nodiscard]] ksms_journal_entry did_qdisc(const Netns& netns, std::uint32_t ifindex);
[[nodiscard]] ksms_journal_entry did_filter(const Netns& netns, std::uint32_t ifindex,
                                            ksms_direction direction, std::uint16_t priority,
                                            std::uint32_t handle);
[[nodiscard]] ksms_journal_entry did_neighbour(const Netns& netns, std::uint32_t ifindex,
                                               const Address& address, const Mac& mac);
[[nodiscard]] ksms_journal_entry did_scan(std::uint8_t dscp, std::uint32_t generation);
[[nodiscard]] ksms_journal_entry did_lease(std::uint8_t dscp, std::uint32_t generation);
/// A clsact tap is undone only while taps[id].owner_pid is the process that wrote it, one with a
/// link (several scans may use it) by the last who has it in the journal, when the link is gone;
/// the id's entry in tap_ids goes too.
[[nodiscard]] ksms_journal_entry did_tap(std::uint32_t id);

/// Undoes the entries of dead processes, after their watchers had 100 ms. Every command that
/// changes something calls it first. It reads the journal once, which is usually empty.
/// @return what was undone and what could not be; an error if the journal could not be read
Result<std::vector<Undone>> reconcile(const Objects& objects);

}  // namespace ksms
