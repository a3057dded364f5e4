// SPDX-License-Identifier: BSD-2-Clause
// A lane (thread) for blocking work, whose results return to the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/lane.hpp"

namespace ksms {

class Background {
public:
    /// @param io       outlives this
    /// @param name     of the thread, at most 15 bytes
    Background(boost::asio::io_context& io, const std::string& name,
               Lane::AtEnd at_end = Lane::AtEnd::finish)
        : gate_(std::make_shared<Gate>(io)), lane_(name, at_end) {}
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    ~Background() { gate_->close(); }

    /// Runs `work()` on the lane, then calls `then(result)` on the io_context, unless this object
    /// is destroyed by then. Exceptions of `work` are thrown out of io_context::run().
    template <typename Work, typename Then>
    void run(Work work, Then then) {
        lane_.run([gate = gate_, work = std::move(work), then = std::move(then)]() mutable {
            try {
                gate->post([result = work(), then = std::move(then)]() mutable {
                    then(std::move(result));
                });
            } catch (...) {
                gate->post([thrown = std::current_exception()] { std::rethrow_exception(thrown); });
            }
        });
    }

    [[nodiscard]] const Lane& lane() const { return lane_; }

private:
    /// Drops results that arrive after the destruction.
    struct Gate : std::enable_shared_from_this<Gate> {
        explicit Gate(boost::asio::io_context& of) : io(&of) {}
        template <typename Handler>
        void post(Handler handler) {
            const std::lock_guard lock(mutex);
            if (io == nullptr) return;
            boost::asio::post(*io,
                              [self = shared_from_this(), handler = std::move(handler)]() mutable {
                                  if (self->is_open()) handler();
                              });
        }
        bool is_open() {
            const std::lock_guard lock(mutex);
            return io != nullptr;
        }
        void close() {
            const std::lock_guard lock(mutex);
            io = nullptr;
        }
        std::mutex mutex;
        boost::asio::io_context* io;
    };

    std::shared_ptr<Gate> gate_;
    Lane lane_;
};

}  // namespace ksms
