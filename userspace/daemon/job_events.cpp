// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/job_events.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

namespace ksms {
namespace {

constexpr std::size_t kEndedKept = 64;

}  // namespace

void JobEvents::tell(Line& line, const JobEvent& event) {
    // A listener may add or remove listeners.
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, listener] : line.listeners) numbers.push_back(number);
    for (const auto number : numbers) {
        const auto found = line.listeners.find(number);
        if (found == line.listeners.end()) continue;
        const auto listener = found->second;
        listener(event);
    }
}

void JobEvents::add(const std::string& id, const std::string& name, std::string data) {
    auto& held = jobs_[id];
    if (!held) held = std::make_shared<Line>();
    const auto line = held;
    if (line->ended) return;
    if (name == "progress")
        std::erase_if(line->events, [](const JobEvent& event) { return event.name == "progress"; });
    line->events.push_back({++line->last, name, std::move(data)});
    tell(*line, JobEvent(line->events.back()));
}

void JobEvents::end(const std::string& id, std::string data) {
    add(id, "end", std::move(data));
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || std::exchange(found->second->ended, true)) return;
    ended_.push_back(id);
    forget_old();
}

void JobEvents::restart(const std::string& id) {
    const auto found = jobs_.find(id);
    if (found != jobs_.end()) found->second->events.clear();
}

void JobEvents::forget_old() {
    while (ended_.size() > kEndedKept) {
        jobs_.erase(ended_.front());
        ended_.pop_front();
    }
}

Subscription JobEvents::watch(const std::string& id, std::uint64_t after, Listener listener) {
    auto& held = jobs_[id];
    if (!held) held = std::make_shared<Line>();
    const auto line = held;
    const auto number = next_listener_++;
    if (after > line->last) after = 0;
    const std::vector<JobEvent> past(line->events.begin(), line->events.end());
    if (!line->ended) line->listeners.emplace(number, listener);
    for (const auto& event : past)
        if (event.sequence > after) listener(event);
    return Subscription([line, number] { line->listeners.erase(number); });
}

}  // namespace ksms
