// SPDX-License-Identifier: BSD-2-Clause
// Measures how late the one thread is that everything of ksmsd happens on: nothing may block it.
// systemd's watchdog ends what lasts.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>

#include "base/histogram.hpp"

namespace ksms {

class StallWatch {
public:
    explicit StallWatch(boost::asio::io_context& io);

    struct Figures {
        Histogram delay;          ///< seconds from a handler's being due to its run
        std::uint64_t stalls{0};  ///< of half a second or more
    };
    [[nodiscard]] const Figures& figures() const { return figures_; }

private:
    void look();

    boost::asio::steady_timer timer_;
    Figures figures_;
};

}  // namespace ksms
