// SPDX-License-Identifier: BSD-2-Clause
// The queue's database on a thread of its own: a disk that is slow or hangs stops nobody but who
// waits for it. Everything here is called on the io_context's thread and returns at once; `then` is
// called later, on the same thread, in the order of the calls.
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

/// Into the log: what was damaged, where it is, how it is read.
void log_damage(const Damage& damage);

class Records {
public:
    template <typename T>
    using Then = std::function<void(Result<T>)>;

    /// What was last known of the database. Looked up again by look().
    struct Facts {
        Status writable;
        std::optional<Damage> damage;
        std::uint64_t jobs{0};   ///< finished and not
        std::uint64_t bytes{0};  ///< of its files
    };

    Records(boost::asio::io_context& io, JobStore store, std::string directory);
    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;
    /// Writes down what it was given.
    ~Records();

    /// As JobStore has them. A database that is found damaged is set aside, and the call is tried
    /// again on an empty one; a job that ends and is not in it is entered first.
    void submit(Job job, Then<Submitted> then);
    void started(const std::string& id, std::optional<int> dscp, double at);
    void finished(const std::shared_ptr<const Job>& job, Then<void> then);
    void requeued(const std::string& id, RunEnded how);
    /// Without its result.
    void find(const std::string& id, Then<Job> then);
    void prune(const Retention& keep, Then<Pruned> then);
    /// `work(store)`, which returns a Result, on the disk's thread; `then` with that.
    template <typename Work, typename ThenResult>
    void ask(Work work, ThenResult then) {
        disk_.run(
            [store = store_, work = std::move(work)]() mutable { return tried(*store, work); },
            std::move(then));
    }
    /// The store itself, which blocks: only before the io_context runs.
    [[nodiscard]] JobStore& at_start() { return *store_; }

    /// Writes to the database and takes it back, to know whether that can be done; not oftener than
    /// every five seconds unless something has failed.
    void look();
    [[nodiscard]] const Facts& facts() const { return facts_; }
    /// Whether jobs can be written, as far as is known: an error also where the disk does not
    /// answer.
    [[nodiscard]] Status state() const;
    /// Calls that failed, since the start.
    [[nodiscard]] std::uint64_t errors() const { return errors_; }

private:
    /// A page that could not be read in this moment is not damaged: twice it is. Then one more try
    /// where the database could be set aside. On the disk's thread.
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

    std::shared_ptr<JobStore> store_;  ///< of the lane, once the io_context runs
    std::string directory_;
    Facts facts_;
    std::uint64_t errors_{0};
    Instant looked_at_;
    bool looking_{false};
    Background disk_;  ///< last: its thread ends before the rest goes
};

}  // namespace ksms
