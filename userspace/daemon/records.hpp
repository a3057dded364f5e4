// SPDX-License-Identifier: BSD-2-Clause
// Access to the database of the queue on a separate thread, so that a slow disk delays only what
// needs it. All functions are called on the io_context's thread and return at once; `then` is
// called later on that thread, in the order of the calls.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "http/background.hpp"
#include "queue/store.hpp"

namespace ksms {

/// Logs what was damaged, where the file is now, and how to read it.
void log_damage(const Damage& damage);

class Records {
public:
    template <typename T>
    using Then = std::function<void(Result<T>)>;

    /// Last known facts of the database, updated by look().
    struct Facts {
        Status writable;
        std::optional<Damage> damage;
        std::uint64_t jobs{0};   ///< finished and not
        std::uint64_t bytes{0};  ///< of its files
    };

    Records(boost::asio::io_context& io, JobStore store, std::string directory);
    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;
    /// Waits for the queued writes.
    ~Records();

    /// As in JobStore. A damaged database is set aside and the call repeated on an empty one; a job
    /// that ends and is not in it is entered first.
    void submit(Job job, Then<Submitted> then);
    void started(const std::string& id, std::optional<int> dscp, double at);
    void finished(const std::shared_ptr<const Job>& job, Then<void> then);
    void requeued(const std::string& id, RunEnded how);
    /// Without its result.
    void find(const std::string& id, Then<Job> then);
    void prune(const Retention& keep, Then<Pruned> then);
    /// Runs `work(store)`, which returns a Result, on the database thread and passes the result to
    /// `then`.
    template <typename Work, typename ThenResult>
    void ask(Work work, ThenResult then) {
        disk_.run(
            [store = store_, work = std::move(work)]() mutable { return tried(*store, work); },
            std::move(then));
    }
    /// The store itself, whose calls block: only before the io_context runs.
    [[nodiscard]] JobStore& at_start() { return *store_; }

    /// Tests whether the database can be written, at most every five seconds unless a call has
    /// failed.
    void look();
    [[nodiscard]] const Facts& facts() const { return facts_; }
    /// Whether jobs can be written, as far as known. An error if the disk does not answer.
    [[nodiscard]] Status state() const;
    /// Calls that failed, since the start.
    [[nodiscard]] std::uint64_t errors() const { return errors_; }

private:
    /// Treats damage as real only if it is found twice, because a read can fail once. Then tries
    /// again if the database could be set aside. Runs on the database thread.
    template <typename Work>
    static auto tried(JobStore& store, Work& work) {
        auto result = work(store);
        const auto damaged = [&] { return !result && JobStore::is_damage(result.error()); };
        if (damaged()) result = work(store);
        if (damaged() && repaired(store, result.error())) result = work(store);
        return result;
    }
    static bool repaired(JobStore& store, const Error& why);
    void failed(const Error& error, const std::string& id);

    std::shared_ptr<JobStore> store_;  ///< used by the database thread once the io_context runs
    std::string directory_;
    Facts facts_;
    std::uint64_t errors_{0};
    Instant looked_at_;
    bool looking_{false};
    Background disk_;  ///< last: its thread ends before the rest goes
};

}  // namespace ksms
