// SPDX-License-Identifier: BSD-2-Clause
// The events of each job, for its watchers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/service.hpp"

namespace ksms {

class JobEvents {
public:
    using Listener = std::function<void(const JobEvent&)>;

    /// Adds an event. Only the last progress event is kept.
    void add(const std::string& id, const std::string& name, std::string data);
    /// Adds the last event of a job. The events of the last 64 jobs that ended are kept.
    void end(const std::string& id, std::string data);
    /// The job runs again: drops its events, continues their numbers.
    void restart(const std::string& id);
    [[nodiscard]] bool knows(const std::string& id) const { return jobs_.contains(id); }
    /// Calls the listener for every kept event after number `after`, and for each new one.
    Subscription watch(const std::string& id, std::uint64_t after, Listener listener);

private:
    struct Line {
        std::uint64_t last{0};
        std::deque<JobEvent> events;
        std::map<std::uint64_t, Listener> listeners;
        bool ended{false};
    };
    void tell(Line& line, const JobEvent& event);
    void forget_old();

    std::map<std::string, std::shared_ptr<Line>> jobs_;
    std::deque<std::string> ended_;
    std::uint64_t next_listener_{1};
};

}  // namespace ksms
