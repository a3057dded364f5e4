// SPDX-License-Identifier: BSD-2-Clause
// A thread for what may block (a disk, a directory of users), so that the thread that asks never
// does.
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
    /// What the destructor does with what is queued.
    enum class AtEnd {
        finish,   ///< waits until it is done
        abandon,  ///< waits for nothing: what is at hand may hang, and dies with the process
    };

    /// @param name  of the thread, at most 15 bytes (prctl(2), PR_SET_NAME)
    explicit Lane(const std::string& name, AtEnd at_end = AtEnd::finish);
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    ~Lane();

    /// Queues it: one after the other, in this order, on the lane's thread. It must not throw.
    void run(std::move_only_function<void()> work);

    /// What is queued or at hand.
    [[nodiscard]] std::size_t pending() const;
    /// How long what is at hand has taken; 0 where nothing is.
    [[nodiscard]] std::chrono::nanoseconds busy_for() const;

private:
    struct State;
    std::shared_ptr<State> state_;
    AtEnd at_end_;
    std::thread thread_;
};

}  // namespace ksms
