// SPDX-License-Identifier: BSD-2-Clause
#include "evidence/trail_recorder.hpp"

#include <netinet/in.h>
// Before the kernel's own.
#include <linux/netfilter.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bpf/attach.hpp"

namespace ksms {
namespace {

using namespace std::chrono_literals;

constexpr Program kRecorders[] = {Program::trail_in, Program::trail_out, Program::trail_consumed,
                                  Program::trail_dropped};
constexpr nanoseconds kNumberedFirst = 1ms;  // an event gets its number before it is written

TrailEvent::Kind kind_of(std::uint8_t kind) {
    switch (kind) {
        case KSMS_EVENT_OUT: return TrailEvent::Kind::went_out;
        case KSMS_EVENT_DROPPED: return TrailEvent::Kind::dropped;
        case KSMS_EVENT_CONSUMED: return TrailEvent::Kind::consumed;
        case KSMS_EVENT_ACCEPTED: return TrailEvent::Kind::accepted;
        case KSMS_EVENT_ROUTED: return TrailEvent::Kind::routed;
        default: return TrailEvent::Kind::came_in;
    }
}

}  // namespace

bool TrailRecorder::is_possible(const Objects& objects) {
    return std::ranges::all_of(kRecorders,
                               [&](Program program) { return objects.program(program) >= 0; });
}

Result<TrailRecorder> TrailRecorder::start(const Objects& objects, KernelNames& names,
                                           std::uint8_t dscp, int family,
                                           const std::vector<const Netns*>& netns) {
    TrailRecorder recorder(objects, names, dscp, family);
    KSMS_CHECK(recorder.attach());
    recorder.watch_hooks(netns);
    auto& end = recorder.end();
    recorder.next_ = __atomic_load_n(&end.events, __ATOMIC_SEQ_CST);
    recorder.recording_ = true;
    __atomic_store_n(&end.limit, recorder.next_ + KSMS_SCAN_EVENTS, __ATOMIC_SEQ_CST);
    return recorder;
}

TrailRecorder::TrailRecorder(TrailRecorder&& other) noexcept
    : objects_(other.objects_),
      names_(other.names_),
      dscp_(other.dscp_),
      family_(other.family_),
      links_(std::move(other.links_)),
      sees_accepted_(other.sees_accepted_),
      has_holes_(other.has_holes_),
      recording_(std::exchange(other.recording_, false)),
      next_(other.next_),
      trails_(std::move(other.trails_)) {}

/// What it does not empty goes with the scan.
TrailRecorder::~TrailRecorder() {
    if (recording_) __atomic_store_n(&end().limit, 0, __ATOMIC_SEQ_CST);
}

Status TrailRecorder::attach() {
    for (const auto program : kRecorders) {
        KSMS_TRY(auto link, attach_tracing(objects_->program(program), dscp_));
        links_.push_back(std::move(link));
    }
    return {};
}

void TrailRecorder::watch_hooks(const std::vector<const Netns*>& netns) {
    const int accepted = objects_->program(Program::netfilter_local_in),
              routed = objects_->program(Program::netfilter_post_routing);
    sees_accepted_ = accepted >= 0 && routed >= 0;
    if (!sees_accepted_) return;
    for (const auto* each : netns) {
        const auto done = in_netns(*each, [&]() -> Status {
            KSMS_TRY(auto last_in, attach_behind(accepted, family_, NF_INET_LOCAL_IN));
            links_.push_back(std::move(last_in));
            KSMS_TRY(auto last_out, attach_behind(routed, family_, NF_INET_POST_ROUTING));
            links_.push_back(std::move(last_out));
            return {};
        });
        if (!done) sees_accepted_ = false;
    }
}

Status TrailRecorder::read() {
    const auto events = __atomic_load_n(&end().events, __ATOMIC_SEQ_CST);
    const auto limit = next_ + KSMS_SCAN_EVENTS;
    if (events > limit) has_holes_ = true;
    KSMS_TRY(next_, read_until(std::min(events, limit)));
    __atomic_store_n(&end().limit, next_ + KSMS_SCAN_EVENTS, __ATOMIC_SEQ_CST);
    return {};
}

/// @return the number of the first that is not read
Result<std::uint64_t> TrailRecorder::read_until(std::uint64_t end) {
    std::vector<ksms_trail_key> done;
    const auto patience = monotonic() + kNumberedFirst;
    auto number = next_;
    while (number < end) {
        const ksms_trail_key key{dscp_, 0, number};
        KSMS_TRY(const auto seen, objects_->trail.lookup(key));
        if (!seen && monotonic() < patience) continue;
        ++number;
        if (!seen) {
            has_holes_ = true;
            continue;
        }
        auto& trail = trails_[seen->probe];
        const auto event = event_of(*seen);
        const auto later = std::ranges::upper_bound(trail, event.at, {}, &TrailEvent::at);
        trail.insert(later, event);
        done.push_back(key);
    }
    KSMS_CHECK(objects_->trail.erase_batch(done));
    return number;
}

TrailEvent TrailRecorder::event_of(const ksms_event& seen) {
    TrailEvent event;
    event.at = instant(seen.at_ns);
    event.kind = kind_of(seen.kind);
    event.packet = {seen.skb, seen.head};
    event.netns = seen.netns;
    event.ifindex = seen.ifindex;
    event.made_here = (seen.flags & KSMS_EVENT_MADE_HERE) != 0;
    event.has_socket = (seen.flags & KSMS_EVENT_HAS_SOCKET) != 0;
    event.for_another = (seen.flags & KSMS_EVENT_FOR_ANOTHER) != 0;
    event.wrapped = (seen.flags & KSMS_EVENT_WRAPPED) != 0;
    if (!event.wrapped) {
        event.dscp = seen.dscp;
        event.source = {Address::from_bytes(family_, seen.source), seen.source_port};
        event.destination = {Address::from_bytes(family_, seen.destination), seen.destination_port};
    }
    if (event.kind == TrailEvent::Kind::dropped) {
        event.drop.count = 1;
        event.drop.at = event.at;
        event.drop.hook = seen.hook;
        names_->name(seen.reason, seen.place, event.drop);
    }
    return event;
}

const Trail& TrailRecorder::of(std::uint32_t probe) const {
    static const Trail none;
    const auto found = trails_.find(probe);
    return found == trails_.end() ? none : found->second;
}

}  // namespace ksms
