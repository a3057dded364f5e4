// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stall.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "daemon/log.hpp"

namespace ksms {
namespace {

constexpr std::chrono::milliseconds kLoopLookEvery{250};
constexpr double kStall = 0.5;  // seconds

}  // namespace

StallWatch::StallWatch(boost::asio::io_context& io) : timer_(io) {
    look();
}

void StallWatch::look() {
    timer_.expires_after(kLoopLookEvery);
    timer_.async_wait([this](const boost::system::error_code& failed) {
        if (failed) return;
        const std::chrono::duration<double> late =
            std::chrono::steady_clock::now() - timer_.expiry();
        figures_.delay.add(late.count());
        if (late.count() >= kStall) {
            ++figures_.stalls;
            log(LogLevel::warning,
                fmt::format("nothing was answered for {:.0f} ms", late.count() * 1000));
        }
        look();
    });
}

}  // namespace ksms
