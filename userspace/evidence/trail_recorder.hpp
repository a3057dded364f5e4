// SPDX-License-Identifier: BSD-2-Clause
// Events of the kernel -> trails of probes.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "evidence/collector.hpp"
#include "judge/trail.hpp"
#include "os/netns.hpp"

namespace ksms {

/// Records while it lives. Its links go with the process; what a killed one leaves in the maps goes
/// with the scan (clear_scan()).
class TrailRecorder {
public:
    /// @param names  outlives it, as the objects do
    /// @param netns  whose hooks LOCAL_IN and POST_ROUTING are watched (Linux 6.4), if they may be
    /// @param family  AF_INET or AF_INET6
    static Result<TrailRecorder> start(const Objects& objects, KernelNames& names,
                                       std::uint8_t dscp, int family,
                                       const std::vector<const Netns*>& netns);
    TrailRecorder(TrailRecorder&& other) noexcept;
    TrailRecorder& operator=(TrailRecorder&&) = delete;
    ~TrailRecorder();

    /// Can this kernel record trails?
    [[nodiscard]] static bool is_possible(const Objects& objects);
    /// Are all of `netns` watched?
    [[nodiscard]] bool sees_accepted() const { return sees_accepted_; }
    /// Takes what happened since the last call.
    Status read();
    /// Of this probe, from the beginning or the last forget().
    [[nodiscard]] const Trail& of(std::uint32_t probe) const;
    void forget(std::uint32_t probe) { trails_.erase(probe); }
    /// Events were lost: a trail may have a hole.
    [[nodiscard]] bool has_holes() const { return has_holes_; }

private:
    TrailRecorder(const Objects& objects, KernelNames& names, std::uint8_t dscp, int family)
        : objects_(&objects), names_(&names), dscp_(dscp), family_(family) {}
    Status attach();
    void watch_hooks(const std::vector<const Netns*>& netns);
    Result<std::uint64_t> read_until(std::uint64_t end);
    [[nodiscard]] TrailEvent event_of(const ksms_event& seen);
    [[nodiscard]] ksms_trail_end& end() const { return objects_->trail_ends.values()[dscp_]; }

    const Objects* objects_;
    KernelNames* names_;
    std::uint8_t dscp_;
    int family_;
    std::vector<Fd> links_;
    bool sees_accepted_{false}, has_holes_{false}, recording_{false};
    std::uint64_t next_{0};
    std::map<std::uint32_t, Trail> trails_;
};

}  // namespace ksms
