// SPDX-License-Identifier: BSD-2-Clause
// Server-sent events (HTML standard, 9.2): as text, in a bounded buffer, and read again.
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
/// A comment, which keeps the connection alive and tells whether anybody is there.
inline constexpr std::string_view heartbeat_text = ":\n\n";

/// What a subscriber has not taken yet. Of several progress events in a row only the last is kept.
class EventBuffer {
public:
    void push(const JobEvent& event);
    /// The next text to be sent, whole events, about `most` bytes; "" where there is none.
    [[nodiscard]] std::string take(std::size_t most);
    /// The event `end` was pushed: nothing follows.
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] bool empty() const { return events_.empty(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    std::deque<std::string> events_;
    std::size_t bytes_{0};
    bool last_is_progress_{false};
    bool ended_{false};
};

/// Reads a stream of events in pieces of any size.
class EventReader {
public:
    /// Calls `event` for each event that is complete now. False where one is longer than 16 MiB.
    [[nodiscard]] bool feed(std::string_view bytes,
                            const std::function<void(const JobEvent&)>& event);

private:
    void line(std::string_view text, const std::function<void(const JobEvent&)>& event);

    std::string rest_;  ///< a line that is not complete
    JobEvent event_;
    bool has_data_{false};
};

}  // namespace ksms
