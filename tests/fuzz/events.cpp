// SPDX-License-Identifier: BSD-2-Clause
// A stream of server-sent events as ksmsctl reads it, in pieces as they come.
#include "http/events.hpp"

#include <algorithm>
#include <vector>

#include "holds.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

std::vector<JobEvent> read(std::string_view stream, std::size_t piece) {
    std::vector<JobEvent> events;
    EventReader reader;
    while (!stream.empty()) {
        const auto size = std::min(piece, stream.size());
        holds(reader.feed(stream.substr(0, size),
                          [&](const JobEvent& event) { events.push_back(event); }));
        stream.remove_prefix(size);
    }
    return events;
}

bool same(const JobEvent& a, const JobEvent& b) {
    return a.sequence == b.sequence && a.name == b.name && a.data == b.data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto stream = text_of(data, size);
    const auto events = read(stream, std::max<std::size_t>(size, 1));
    holds(std::ranges::equal(events, read(stream, 1), same));
    holds(std::ranges::equal(events, read(stream, 7), same));
    // What is written of them is read as the same.
    if (stream.find('\r') != std::string_view::npos) return 0;
    std::string written(heartbeat_text);
    for (const auto& event : events) written += event_text(event);
    holds(std::ranges::equal(events, read(written, 64), same));
    EventBuffer buffer;
    for (const auto& event : events) buffer.push(event);
    while (!buffer.empty()) holds(!buffer.take(100).empty());
    holds(buffer.bytes() == 0);
    return 0;
}
