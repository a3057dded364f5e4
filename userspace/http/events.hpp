// SPDX-License-Identifier: BSD-2-Clause
// Server-sent events (HTML standard, section 9.2): formatting, buffering, parsing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "http/service.hpp"

namespace ksms {

/// "id: …\nevent: …\ndata: …\n\n".
[[nodiscard]] std::string event_text(const JobEvent& event);
/// A comment. It keeps the connection alive and detects a client that is gone.
inline constexpr std::string_view heartbeat_text = ":\n\n";

/// Events that a subscriber has not received yet. Of consecutive progress events it keeps the last.
class EventBuffer {
public:
    void push(const JobEvent& event);
    /// Removes and returns whole events, about `most` bytes; "" if there are none.
    [[nodiscard]] std::string take(std::size_t most);
    /// Whether the event `end` was pushed; no event follows it.
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] bool empty() const { return events_.empty(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    std::deque<std::string> events_;
    std::size_t bytes_{0};
    bool last_is_progress_{false};
    bool ended_{false};
};

/// Parses a stream of events in pieces of any size.
class EventReader {
public:
    /// Calls `event` for each event that is complete. @return false if one is longer than 16 MiB
    [[nodiscard]] bool feed(std::string_view bytes,
                            const std::function<void(const JobEvent&)>& event);

private:
    void line(std::string_view text, const std::function<void(const JobEvent&)>& event);

    std::string rest_;  ///< an incomplete line
    JobEvent event_;
    bool has_data_{false};
};

}  // namespace ksms
