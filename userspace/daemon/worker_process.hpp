// SPDX-License-Identifier: BSD-2-Clause
// A worker as ksmsd sees it: a process, and the socket to it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/error.hpp"
#include "daemon/order.hpp"
#include "os/netns.hpp"

namespace boost::asio {
class io_context;
}

namespace ksms {

/// What comes from a worker. Called by the io_context; the worker may be told to stop in them, not
/// destroyed.
struct WorkerEvents {
    std::function<void(const std::string& event, const nlohmann::json& data)> event;
    std::function<void(std::string document)> result;
    std::function<void(RunEnd end)> end;
    /// The process is gone. @param how  "signal 9", "exit 1"
    std::function<void(std::string how)> died;
};

/// Waits until no worker is left, as long as this at most: at the end of ksmsd, when nobody else
/// waits for anything. What they hold (taps) goes with them.
void await_workers(std::chrono::milliseconds longest);

/// What workers are started with.
struct WorkerHome {
    std::string pin_root;                ///< of the orders; they open it in advance
    std::shared_ptr<const Netns> netns;  ///< that they live in; null: that of ksmsd
};

class WorkerProcess {
public:
    /// @return ENOMEM, EAGAIN, EMFILE where the machine is short of them
    static Result<std::unique_ptr<WorkerProcess>> start(boost::asio::io_context& io,
                                                        const WorkerHome& home);
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;
    /// Kills it; its process is reaped when it has ended, which nobody waits for.
    ~WorkerProcess();

    /// One job; the next one only after its end.
    void run(const Order& order, WorkerEvents events);
    /// Ends its job cleanly, and itself then.
    void stop();
    void kill();
    /// It counts as dead, though its process has not ended: it waits in the kernel.
    void give_up();
    [[nodiscard]] pid_t pid() const;
    /// It was told to stop: no job for it any more.
    [[nodiscard]] bool is_stopping() const;

private:
    struct State;
    explicit WorkerProcess(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace ksms
