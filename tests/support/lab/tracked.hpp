// SPDX-License-Identifier: BSD-2-Clause
// What a node's connection tracking holds, by /proc; filling it; watching it.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>

#include "lab/lab.hpp"

namespace ksms::lab {

/// nf_conntrack_count of the node.
std::size_t tracked(const Lab& lab, const std::string& node);
/// nf_conntrack_max.
std::size_t most_tracked();
/// /proc/net/nf_conntrack of the node.
std::string tracked_flows(const Lab& lab, const std::string& node);
/// Makes so many entries (ctnetlink) that the kernel may not evict.
void fill_tracked(const Lab& lab, const std::string& node, std::size_t count);

/// Looks again and again how many entries there are.
class TrackedWatch {
public:
    TrackedWatch(const Lab& lab, const std::string& node);
    TrackedWatch(const TrackedWatch&) = delete;
    TrackedWatch& operator=(const TrackedWatch&) = delete;
    ~TrackedWatch();
    /// The most since the start.
    [[nodiscard]] std::size_t most() const { return most_.load(); }

private:
    std::atomic<bool> over_{false};
    std::atomic<std::size_t> most_{0};
    std::thread thread_;
};

}  // namespace ksms::lab
