// SPDX-License-Identifier: BSD-2-Clause
#include "http/events.hpp"

#include <algorithm>
#include <charconv>

namespace ksms {
namespace {

constexpr std::size_t longest_event = 16 * 1024 * 1024;

}  // namespace

std::string event_text(const JobEvent& event) {
    std::string text = "id: " + std::to_string(event.sequence) + "\nevent: " + event.name;
    // A line break would end the field. In JSON it can be replaced.
    std::string_view data = event.data;
    while (true) {
        const auto end = data.find_first_of("\r\n");
        text += "\ndata: ";
        text += data.substr(0, end);
        if (end == std::string_view::npos) break;
        data.remove_prefix(end + 1);
    }
    return text + "\n\n";
}

void EventBuffer::push(const JobEvent& event) {
    if (ended_) return;
    const bool progress = event.name == "progress";
    if (progress && last_is_progress_ && !events_.empty()) {
        bytes_ -= events_.back().size();
        events_.pop_back();
    }
    last_is_progress_ = progress;
    bytes_ += events_.emplace_back(event_text(event)).size();
    ended_ = event.name == "end";
}

std::string EventBuffer::take(std::size_t most) {
    std::string text;
    while (!events_.empty() && (text.empty() || text.size() + events_.front().size() <= most)) {
        text += events_.front();
        events_.pop_front();
    }
    bytes_ -= text.size();
    return text;
}

bool EventReader::feed(std::string_view bytes, const std::function<void(const JobEvent&)>& event) {
    while (true) {
        const auto end = bytes.find('\n');
        if (rest_.size() + event_.data.size() + std::min(end, bytes.size()) > longest_event)
            return false;
        if (end == std::string_view::npos) {
            rest_ += bytes;
            return true;
        }
        rest_ += bytes.substr(0, end);
        if (rest_.ends_with('\r')) rest_.pop_back();
        line(rest_, event);
        rest_.clear();
        bytes.remove_prefix(end + 1);
    }
}

void EventReader::line(std::string_view text, const std::function<void(const JobEvent&)>& event) {
    if (text.empty()) {
        if (has_data_) event(event_);
        event_.name.clear();
        event_.data.clear();
        has_data_ = false;
        return;
    }
    const auto colon = std::min(text.find(':'), text.size());
    const auto field = text.substr(0, colon);
    auto value = colon < text.size() ? text.substr(colon + 1) : std::string_view{};
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") {
        event_.name = value;
    } else if (field == "data") {
        if (has_data_) event_.data += '\n';
        event_.data += value;
        has_data_ = true;
    } else if (field == "id") {
        std::from_chars(value.data(), value.data() + value.size(), event_.sequence);
    }
}

}  // namespace ksms
