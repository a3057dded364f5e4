// SPDX-License-Identifier: BSD-2-Clause
#include "judge/own_way.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <ranges>

namespace ksms {
namespace {

using Kind = TrailEvent::Kind;

/// What happened to one buffer while it was one packet: indices into the trail.
struct Life {
    std::vector<std::size_t> events;
    bool taken{false};  ///< it is on the packet's way
};

std::vector<Life> lives_of(const Trail& trail) {
    std::vector<Life> lives;
    std::map<std::uint64_t, std::size_t> open;
    for (std::size_t i = 0; i < trail.size(); ++i) {
        const auto buffer = trail[i].packet.buffer;
        const auto [known, fresh] = open.try_emplace(buffer, lives.size());
        if (fresh) lives.emplace_back();
        lives[known->second].events.push_back(i);
        if (trail[i].ends_packet()) open.erase(known);
    }
    return lives;
}

class Follower {
public:
    Follower(const Trail& trail, const Origin& origin)
        : trail_(trail), origin_(origin), lives_(lives_of(trail)) {}

    OwnWay run() {
        OwnWay way;
        auto life = first_life();
        while (life) {
            take(*life);
            life = next_life();
        }
        leave_out_what_is_anothers();
        way.copied = std::ranges::any_of(lives_, [](const Life& each) { return !each.taken; });
        if (own_.empty()) return way;
        way.end = end();
        for (const auto at : own_) add(trail_[at], way.visits);
        return way;
    }

private:
    [[nodiscard]] const TrailEvent& event(std::size_t at) const { return trail_[at]; }

    [[nodiscard]] bool starts(const TrailEvent& event) const {
        if (event.netns != origin_.netns) return false;
        if (origin_.ifindex != 0)
            return event.kind == Kind::came_in && event.ifindex == origin_.ifindex;
        return event.kind != Kind::came_in && event.kind != Kind::consumed;
    }

    /// The socket's own packet, if one is seen: a copy has none.
    [[nodiscard]] std::optional<std::size_t> first_life() const {
        std::optional<std::size_t> found;
        for (std::size_t i = 0; i < lives_.size(); ++i) {
            const auto& first = event(lives_[i].events.front());
            if (!starts(first)) continue;
            if (origin_.ifindex != 0 || first.has_socket) return i;
            if (!found) found = i;
        }
        return found;
    }

    /// Behind the sight of the packet that comes before the other buffer's first event.
    void take(std::size_t life) {
        auto& taken = lives_[life];
        taken.taken = true;
        const auto from = taken.events.front();
        std::erase_if(own_, [&](std::size_t at) { return at > from || event(at).ends_packet(); });
        own_.insert(own_.end(), taken.events.begin(), taken.events.end());
    }

    /// The buffer that goes on with the packet where the last one does not.
    [[nodiscard]] std::optional<std::size_t> next_life() const {
        const auto& last = event(own_.back());
        if (const auto dead_end = dead_end_of(own_)) return sibling_of(*dead_end);
        if (last.kind != Kind::consumed || own_.size() < 2) return std::nullopt;
        const auto& sight = event(own_[own_.size() - 2]);
        if (sight.kind == Kind::went_out) return rebuilt(own_[own_.size() - 2]);
        if (sight.kind == Kind::routed) return moved(own_[own_.size() - 2]);
        if (sight.kind != Kind::came_in) return std::nullopt;
        const auto clone = redirected(own_[own_.size() - 2]);
        return clone ? clone : moved_unseen(own_.back());
    }

    template <typename Wanted>
    std::optional<std::size_t> find(const Wanted& wanted) const {
        for (std::size_t i = 0; i < lives_.size(); ++i)
            if (!lives_[i].taken && wanted(lives_[i])) return i;
        return std::nullopt;
    }

    /// Where it came in for another's address, and went no further: an index into `events`. At a
    /// bridge's port every frame is for another, and goes on or is dropped by the bridge.
    [[nodiscard]] std::optional<std::size_t> dead_end_of(
        const std::vector<std::size_t>& events) const {
        std::optional<std::size_t> found;
        for (std::size_t i = 0; i < events.size(); ++i) {
            const auto& each = event(events[i]);
            if (each.kind == Kind::dropped && each.drop.is.kind != DropKind::for_another)
                return std::nullopt;
            if (each.is_sight()) found.reset();
            if (each.kind == Kind::came_in && each.for_another) found = i;
        }
        return found;
    }

    /// Of a flood, the clone that somebody takes. It is made after the packet got its data; what
    /// had them before was given back.
    /// @param dead_end  index into own_
    [[nodiscard]] std::optional<std::size_t> sibling_of(std::size_t dead_end) const {
        const auto data = event(own_[dead_end]).packet.data;
        auto since = dead_end;
        while (since > 0 && event(own_[since - 1]).packet.data == data) --since;
        return find([&](const Life& life) {
            if (life.events.front() < own_[since]) return false;
            bool arrives = false, same = false;
            for (const auto at : life.events) {
                same |= event(at).packet.data == data;
                arrives |= event(at).kind == Kind::came_in;
            }
            return same && arrives && !dead_end_of(life.events);
        });
    }

    /// It was sent, and comes in under another buffer: a driver, XDP or a process made a new one.
    [[nodiscard]] std::optional<std::size_t> rebuilt(std::size_t sent) const {
        return find([&](const Life& life) {
            const auto& first = event(life.events.front());
            return life.events.front() > sent && first.kind == Kind::came_in && !first.for_another;
        });
    }

    /// It was too short for the header of the device that it goes to (skb_expand_head()). A copy
    /// has its own POST_ROUTING.
    [[nodiscard]] std::optional<std::size_t> moved(std::size_t routed) const {
        return find([&](const Life& life) {
            const auto& first = event(life.events.front());
            return life.events.front() > routed && first.kind == Kind::went_out &&
                   first.netns == event(routed).netns && first.ifindex == event(routed).ifindex;
        });
    }

    /// The same where no event says that it was routed (Linux before 6.4): it was consumed at
    /// another device than it came in by, and what that device sends next is all that there is of
    /// this probe in the namespace. A copy would be more.
    [[nodiscard]] std::optional<std::size_t> moved_unseen(std::size_t consumed) const {
        const auto& gone = event(consumed);
        if (gone.ifindex == event(own_[own_.size() - 2]).ifindex) return std::nullopt;
        std::optional<std::size_t> found;
        for (std::size_t i = 0; i < lives_.size(); ++i) {
            const bool here = std::ranges::any_of(
                lives_[i].events, [&](std::size_t at) { return event(at).netns == gone.netns; });
            if (lives_[i].taken || !here) continue;
            const auto& first = event(lives_[i].events.front());
            const bool sent = first.kind == Kind::went_out || first.kind == Kind::dropped;
            if (found || !sent || first.made_here || first.netns != gone.netns ||
                first.ifindex != gone.ifindex || lives_[i].events.front() < consumed)
                return std::nullopt;
            found = i;
        }
        return found;
    }

    /// It came in, and a clone of it was sent on in its place (TC's mirred).
    [[nodiscard]] std::optional<std::size_t> redirected(std::size_t came) const {
        return find([&](const Life& life) {
            const auto& first = event(life.events.front());
            return life.events.front() > came && first.kind == Kind::went_out && !first.made_here &&
                   first.packet.data == event(came).packet.data;
        });
    }

    /// A frame that nobody takes ends where it was sent.
    void leave_out_what_is_anothers() {
        if (const auto from = dead_end_of(own_)) own_.resize(*from);
    }

    [[nodiscard]] OwnWay::End end() const {
        bool accepted = false;
        std::optional<Kind> sight;
        for (const auto at : own_) {
            if (event(at).kind == Kind::dropped) return OwnWay::End::dropped;
            if (!event(at).is_sight()) continue;
            sight = event(at).kind;
            accepted = sight == Kind::accepted && !event(at).wrapped;
        }
        if (!sight) return OwnWay::End::not_begun;
        if (accepted) return OwnWay::End::accepted;
        if (sight == Kind::went_out) return OwnWay::End::sent_on;
        return event(own_.back()).kind == Kind::consumed ? OwnWay::End::consumed
                                                         : OwnWay::End::held;
    }

    static void add(const TrailEvent& event, std::vector<Visit>& visits) {
        // A driver that gives the buffer back is nobody's stay.
        const bool stays = visits.empty() || event.netns != visits.back().netns;
        if (stays && event.kind == Kind::consumed && !visits.empty()) return;
        if (stays) visits.push_back({event.netns, {}});
        visits.back().events.push_back(event);
    }

    const Trail& trail_;
    const Origin origin_;
    std::vector<Life> lives_;
    std::vector<std::size_t> own_;  ///< the packet's events
};

}  // namespace

const TrailEvent* Visit::first(TrailEvent::Kind kind) const {
    const auto found = std::ranges::find(events, kind, &TrailEvent::kind);
    return found == events.end() ? nullptr : &*found;
}

const TrailEvent* Visit::last_sight() const {
    const auto found = std::ranges::find_if(events.rbegin(), events.rend(), &TrailEvent::is_sight);
    return found == events.rend() ? nullptr : &*found;
}

const TrailEvent* Visit::last(TrailEvent::Kind kind) const {
    for (const auto& event : std::views::reverse(events))
        if (event.kind == kind) return &event;
    return nullptr;
}

const Drop* OwnWay::drop() const {
    if (end != End::dropped) return nullptr;
    const auto* event = visits.back().last(Kind::dropped);
    return event == nullptr ? nullptr : &event->drop;
}

OwnWay own_way(const Trail& trail, const Origin& origin) {
    return Follower(trail, origin).run();
}

}  // namespace ksms
