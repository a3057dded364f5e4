// SPDX-License-Identifier: BSD-2-Clause
// What happened to each job, for who watches it, from the beginning.
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

    /// Of progress only the last is kept.
    void add(const std::string& id, const std::string& name, std::string data);
    /// The last event of a job; it stays known for a while.
    void end(const std::string& id, std::string data);
    /// It runs again: what came before is void, but the numbers go on.
    void restart(const std::string& id);
    [[nodiscard]] bool knows(const std::string& id) const { return jobs_.contains(id); }
    /// Calls it for every event behind `after`, and from then on.
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
