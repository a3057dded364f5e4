// SPDX-License-Identifier: BSD-2-Clause
// Watches the one thread that everything of ksmsd happens on: nothing may block it. Whatever does
// is said, with what the kernel knows of it; systemd's watchdog ends what lasts.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/histogram.hpp"

namespace ksms {

class StallWatch {
public:
    /// Called on the thread that runs `io`, which outlives this.
    explicit StallWatch(boost::asio::io_context& io);
    StallWatch(const StallWatch&) = delete;
    StallWatch& operator=(const StallWatch&) = delete;
    ~StallWatch();

    struct Figures {
        Histogram delay;          ///< seconds from a handler's being due to its run
        std::uint64_t stalls{0};  ///< of half a second or more
    };
    /// Only on the watched thread.
    [[nodiscard]] const Figures& figures() const;

private:
    struct Shared;
    void watch(const std::shared_ptr<Shared>& shared, boost::asio::io_context& io);
    void report(std::chrono::milliseconds age) const;

    std::shared_ptr<Shared> shared_;
    pid_t thread_id_;
    std::thread thread_;
};

}  // namespace ksms
