// SPDX-License-Identifier: BSD-2-Clause
// Everything done to the machine that the kernel does not take back by itself is written into the
// journal map before it is done, and undone from there: by the process itself at its end, by its
// watcher when it is killed, by the next command (reconcile) when both were.
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
/// TCA_BPF_NAME of our filters; one of another name is never removed.
inline constexpr const char* kFilterName = "ksms";
/// Handles of our filters: 0x4b53 ("KS") << 16 | direction << 8 | dscp.
[[nodiscard]] std::uint32_t filter_handle(ksms_direction direction, std::uint8_t dscp);

/// What was undone, for people (`gc` prints it).
struct Undone {
    ProcessId owner;
    std::string what;   ///< "filter on eth0 (ingress) in hq-gw"
    std::string error;  ///< "" where it worked or was gone already; else it is in the journal still
};
/// Undone::what where nobody could look which there are.
inline constexpr const char* kUnusedQdiscs = "clsact qdiscs that nobody uses any more";
/// A warning for each that could not be undone.
void add_warnings(const std::vector<Undone>& undone, std::vector<std::string>& warnings);

class Guard {
public:
    /// Forks the watcher. Call it while the process has one thread. The watcher holds nothing but
    /// its end of a socket and the maps, ignores SIGINT, SIGTERM and SIGHUP, is in a session of its
    /// own, and lives until this object is gone or the process is.
    static Result<Guard> start(const Objects& objects);
    /// A guard of the same process with the same watcher, which costs no fork. What each has to
    /// undo is its own.
    [[nodiscard]] Guard another() const;
    /// Its watcher lives; one that somebody killed would leave what a kill -9 of this process
    /// leaves.
    [[nodiscard]] bool is_watched() const;
    Guard(Guard&&) noexcept;
    Guard& operator=(Guard&&) noexcept;
    ~Guard();  ///< undoes what is left, then lets the watcher go and waits for it

    /// Holds NetnsLock::shared on the namespace until its qdiscs and filters are undone, so that no
    /// other process takes an empty clsact away meanwhile. Call it before looking what hangs on its
    /// interfaces; will() refuses a qdisc or a filter in a namespace that was not entered.
    /// Idempotent. The order: enter; qdiscs(); where there is no clsact will(did_qdisc) and
    /// add_clsact; will(did_filter) and add_bpf_filter. Where an add says EEXIST: forget().
    Status enter(const Netns& netns);
    /// Writes the entry; do the deed after it. Use the helpers below.
    Status will(const ksms_journal_entry& entry);
    /// Takes an entry of this guard back, because the deed was not done (somebody else was first)
    /// or shall stay. Nothing is undone. An entry that is not there is no error.
    Status forget(const ksms_journal_entry& entry);
    /// Undoes everything of this process, last first. Idempotent. What could not be undone is in
    /// the result and stays in the journal.
    std::vector<Undone> undo_all();
    /// The same for everything but leases, which are held on: a scan is about to look once more.
    std::vector<Undone> undo_but_leases();
    /// Undoes only entries of this kind.
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

/// Undoes what processes left that are gone (whose watcher is gone too, or had 100 ms). Every
/// command that changes something calls it first; it costs one pass over the journal, which is
/// empty on a quiet machine.
/// @return what was undone and what could not be; an error where the journal could not be read
Result<std::vector<Undone>> reconcile(const Objects& objects);

}  // namespace ksms
