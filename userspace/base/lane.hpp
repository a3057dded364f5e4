// SPDX-License-Identifier: BSD-2-Clause
// A thread for blocking work (disk, user database), so that its caller never blocks.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace ksms {

class Lane {
public:
    /// What the destructor does with queued work.
    enum class AtEnd {
        finish,   ///< waits until all is done
        abandon,  ///< does not wait: the running item may hang until the process ends
    };

    /// @param name  of the thread, at most 15 bytes (prctl(2), PR_SET_NAME)
    explicit Lane(const std::string& name, AtEnd at_end = AtEnd::finish);
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    ~Lane();

    /// Queues work. It runs on the lane's thread in the order of the calls and must not throw.
    void run(std::move_only_function<void()> work);

    /// The number of queued and running items.
    [[nodiscard]] std::size_t pending() const;
    /// How long the present item has been running; 0: none.
    [[nodiscard]] std::chrono::nanoseconds busy_for() const;

private:
    struct State;
    std::shared_ptr<State> state_;
    AtEnd at_end_;
    std::thread thread_;
};

}  // namespace ksms
