// SPDX-License-Identifier: BSD-2-Clause
// The workers: one is always ready, one that has ended its job takes the next.
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
    /// @param pin_root  what its workers have ready: that of the orders
    WorkerPool(boost::asio::io_context& io, std::string pin_root)
        : io_(io), pin_root_(std::move(pin_root)) {}

    /// Has one ready, so that the next job need not wait for a process to start. A failure is no
    /// trouble yet: the job will have it.
    void prepare();
    /// @return an error where no worker could be started: nothing of the events is called then
    Status run(const Order& order, WorkerEvents events);
    /// Ends the job that has this id cleanly.
    void stop(const std::string& id);
    /// … at once.
    void kill(const std::string& id);
    /// Goes on without the process of this job, which SIGKILL did not end.
    void give_up(const std::string& id);
    void stop_all();

    [[nodiscard]] std::size_t busy() const { return busy_.size(); }
    [[nodiscard]] std::size_t idle() const { return idle_.size(); }
    [[nodiscard]] std::uint64_t died() const { return died_; }

private:
    using Worker = std::shared_ptr<WorkerProcess>;
    /// After its job's end.
    void take_back(const std::string& id);

    boost::asio::io_context& io_;
    std::string pin_root_;
    std::map<std::string, Worker> busy_;  ///< by job
    std::vector<Worker> idle_;
    std::uint64_t died_{0};
};

}  // namespace ksms
