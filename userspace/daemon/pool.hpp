// SPDX-License-Identifier: BSD-2-Clause
// The worker processes. One is always ready; a worker that has finished its job takes the next.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "daemon/worker_process.hpp"

namespace ksms {

class WorkerPool {
public:
    WorkerPool(boost::asio::io_context& io, WorkerHome home) : io_(io), home_(std::move(home)) {}

    /// Starts a worker if none is idle, so that the next job need not wait for it. Ignores
    /// failures: run() will report them.
    void prepare();
    /// @return an error if no worker could be started; no event is called then
    Status run(const Order& order, WorkerEvents events);
    /// Tells the job with this id to stop (SIGTERM).
    void stop(const std::string& id);
    /// Sends SIGKILL.
    void kill(const std::string& id);
    /// Treats the worker of this job as dead although SIGKILL has not ended it.
    void give_up(const std::string& id);
    void stop_all();

    [[nodiscard]] std::size_t busy() const { return busy_.size(); }
    [[nodiscard]] std::size_t idle() const { return idle_.size(); }
    [[nodiscard]] std::uint64_t died() const { return died_; }

private:
    using Worker = std::shared_ptr<WorkerProcess>;
    /// Makes a worker idle after its job.
    void take_back(const std::string& id);

    boost::asio::io_context& io_;
    WorkerHome home_;
    std::map<std::string, Worker> busy_;  ///< by job
    std::vector<Worker> idle_;
    std::uint64_t died_{0};
};

}  // namespace ksms
