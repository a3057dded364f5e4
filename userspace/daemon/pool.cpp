// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/pool.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace ksms {

void WorkerPool::prepare() {
    std::erase_if(idle_, [](const Worker& worker) { return worker->pid() < 0; });
    if (!idle_.empty()) return;
    if (auto started = WorkerProcess::start(io_, home_)) idle_.push_back(std::move(*started));
}

void WorkerPool::take_back(const std::string& id) {
    const auto found = busy_.find(id);
    if (found == busy_.end()) return;
    auto worker = std::move(found->second);
    busy_.erase(found);
    // A worker that was told to stop ends by itself. It is destroyed later, because this may be
    // called from it.
    if (worker->is_stopping() || worker->pid() < 0)
        boost::asio::post(io_, [worker = std::move(worker)] {});
    else
        idle_.push_back(std::move(worker));
}

Status WorkerPool::run(const Order& order, WorkerEvents events) {
    prepare();
    if (idle_.empty()) {
        KSMS_TRY(auto started, WorkerProcess::start(io_, home_));
        idle_.push_back(std::move(started));
    }
    auto worker = std::move(idle_.back());
    idle_.pop_back();
    WorkerEvents ours = std::move(events);
    ours.end = [this, id = order.id, end = std::move(ours.end)](RunEnd how) {
        take_back(id);
        end(std::move(how));
    };
    ours.died = [this, id = order.id, died = std::move(ours.died)](std::string how) {
        if (!busy_.contains(id)) return;
        ++died_;
        take_back(id);
        died(std::move(how));
    };
    const auto& taken = busy_[order.id] = std::move(worker);
    taken->run(order, std::move(ours));
    prepare();
    return {};
}

void WorkerPool::stop(const std::string& id) {
    if (const auto found = busy_.find(id); found != busy_.end()) found->second->stop();
}

void WorkerPool::kill(const std::string& id) {
    if (const auto found = busy_.find(id); found != busy_.end()) found->second->kill();
}

void WorkerPool::give_up(const std::string& id) {
    const auto found = busy_.find(id);
    if (found == busy_.end()) return;
    const auto worker = found->second;  // a copy: give_up() removes it from the map
    worker->give_up();
}

void WorkerPool::stop_all() {
    for (const auto& [id, worker] : busy_) worker->stop();
}

}  // namespace ksms
