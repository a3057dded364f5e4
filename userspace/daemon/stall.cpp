// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stall.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <fstream>
#include <system_error>

#include "daemon/log.hpp"

namespace ksms {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kStallLookEvery{250};
constexpr milliseconds kStall{500};

/// A file of /proc/self/task/TID in one line; "?" where it may not be read.
std::string task_file(pid_t thread, const char* name) {
    std::ifstream file(fmt::format("/proc/self/task/{}/{}", thread, name));
    std::string line;
    return std::getline(file, line) && !line.empty() ? line : "?";
}

}  // namespace

struct StallWatch::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool ending{false};
    bool answered{true};  ///< the thread came to what was posted last
    Figures figures;      ///< of the watched thread alone
};

StallWatch::StallWatch(boost::asio::io_context& io)
    : shared_(std::make_shared<Shared>()), thread_id_(::gettid()) {
    try {
        thread_ = std::thread([this, &io, shared = shared_] { watch(shared, io); });
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(), "start the thread ksmsd-stall");
    }
    ::pthread_setname_np(thread_.native_handle(), "ksmsd-stall");
}

StallWatch::~StallWatch() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->ending = true;
    }
    shared_->changed.notify_one();
    thread_.join();
}

const StallWatch::Figures& StallWatch::figures() const {
    return shared_->figures;
}

void StallWatch::watch(const std::shared_ptr<Shared>& shared, boost::asio::io_context& io) {
    Clock::time_point posted;
    bool reported = false;
    std::unique_lock lock(shared->mutex);
    while (!shared->changed.wait_for(lock, kStallLookEvery, [&] { return shared->ending; })) {
        if (!shared->answered) {
            const auto age = duration_cast<milliseconds>(Clock::now() - posted);
            if (age >= kStall && !std::exchange(reported, true)) report(age);
            continue;
        }
        shared->answered = false;
        reported = false;
        posted = Clock::now();
        boost::asio::post(io, [shared, posted] {
            const auto delay = Clock::now() - posted;
            shared->figures.delay.add(std::chrono::duration<double>(delay).count());
            if (delay >= kStall) {
                ++shared->figures.stalls;
                log(LogLevel::warning, fmt::format("nothing was answered for {} ms",
                                                   duration_cast<milliseconds>(delay).count()));
            }
            const std::lock_guard answer(shared->mutex);
            shared->answered = true;
        });
    }
}

void StallWatch::report(milliseconds age) const {
    log(LogLevel::error,
        fmt::format("nothing has been answered for {} ms: the thread waits at {}, system call {}",
                    age.count(), task_file(thread_id_, "wchan"), task_file(thread_id_, "syscall")));
}

}  // namespace ksms
