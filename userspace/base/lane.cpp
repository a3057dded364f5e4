// SPDX-License-Identifier: BSD-2-Clause
#include "base/lane.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <utility>

namespace ksms {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

/// Shared with the thread, which may outlive its lane if it was abandoned.
struct Lane::State {
    void work() {
        std::unique_lock lock(mutex);
        while (true) {
            changed.wait(lock, [&] { return ending || !queue.empty(); });
            if (queue.empty() || abandoned) return;
            auto next = std::move(queue.front());
            queue.pop_front();
            since = Clock::now();
            busy = true;
            lock.unlock();
            next();
            next = nullptr;
            lock.lock();
            busy = false;
        }
    }

    mutable std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::move_only_function<void()>> queue;
    Clock::time_point since;
    bool busy{false}, ending{false}, abandoned{false};
};

Lane::Lane(const std::string& name, AtEnd at_end)
    : state_(std::make_shared<State>()), at_end_(at_end) {
    try {
        thread_ = std::thread([state = state_] { state->work(); });
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(), "start the thread " + name);
    }
    ::pthread_setname_np(thread_.native_handle(), name.c_str());
}

Lane::~Lane() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->ending = true;
        state_->abandoned = at_end_ == AtEnd::abandon;
    }
    state_->changed.notify_one();
    if (at_end_ == AtEnd::finish)
        thread_.join();
    else
        thread_.detach();
}

void Lane::run(std::move_only_function<void()> work) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->queue.push_back(std::move(work));
    }
    state_->changed.notify_one();
}

std::size_t Lane::pending() const {
    const std::lock_guard lock(state_->mutex);
    return state_->queue.size() + (state_->busy ? 1 : 0);
}

std::chrono::nanoseconds Lane::busy_for() const {
    const std::lock_guard lock(state_->mutex);
    return state_->busy ? Clock::now() - state_->since : std::chrono::nanoseconds(0);
}

}  // namespace ksms
