// SPDX-License-Identifier: BSD-2-Clause
// Trails made by hand: one event after the other, a microsecond apart.
#pragma once

#include <string_view>

#include "evidence_by_hand.hpp"
#include "judge/own_way.hpp"

namespace ksms::test {

class TrailMaker {
public:
    using Kind = TrailEvent::Kind;
    /// @param buffer  names the buffer; what begins alike with `data` shares it
    TrailMaker& add(Kind kind, std::uint64_t buffer, const PlanNetns& where, std::uint32_t ifindex,
                    std::uint64_t data = 0) {
        TrailEvent event;
        event.at = instant(next_ += 1000);
        event.kind = kind;
        event.packet = {buffer, data == 0 ? buffer : data};
        event.netns = where.inode();
        event.ifindex = ifindex;
        event.dscp = 33;
        trail.push_back(event);
        return *this;
    }
    TrailMaker& in(std::uint64_t buffer, const PlanNetns& where, std::uint32_t ifindex = 1,
                   std::uint64_t data = 0) {
        return add(Kind::came_in, buffer, where, ifindex, data);
    }
    TrailMaker& out(std::uint64_t buffer, const PlanNetns& where, std::uint32_t ifindex = 2,
                    std::uint64_t data = 0) {
        return add(Kind::went_out, buffer, where, ifindex, data);
    }
    TrailMaker& consumed(std::uint64_t buffer, const PlanNetns& where, std::uint64_t data = 0,
                         std::uint32_t ifindex = 1) {
        return add(Kind::consumed, buffer, where, ifindex, data);
    }
    TrailMaker& routed(std::uint64_t buffer, const PlanNetns& where, std::uint32_t ifindex = 2) {
        return add(Kind::routed, buffer, where, ifindex);
    }
    TrailMaker& accepted(std::uint64_t buffer, const PlanNetns& where) {
        return add(Kind::accepted, buffer, where, 1);
    }
    TrailMaker& dropped(std::uint64_t buffer, const PlanNetns& where, std::string_view reason,
                        std::uint64_t data = 0) {
        add(Kind::dropped, buffer, where, 2, data);
        trail.back().drop = drop(next_, reason);
        return *this;
    }
    /// Of the last one.
    TrailMaker& by_socket() {
        trail.back().has_socket = trail.back().made_here = true;
        return *this;
    }
    TrailMaker& made_here() {
        trail.back().made_here = true;
        return *this;
    }
    TrailMaker& for_another() {
        trail.back().for_another = true;
        return *this;
    }
    Trail trail;

private:
    std::uint64_t next_{1'000'000};
};

}  // namespace ksms::test
