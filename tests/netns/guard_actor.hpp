// SPDX-License-Identifier: BSD-2-Clause
// A process that acts as a scan: it has a guard, runs the given function, and then waits to be
// ended.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "lab/lab.hpp"
#include "os/netlink.hpp"

namespace ksms::lab {

class Actor {
public:
    using Deeds = std::function<Status(Guard&)>;
    /// Returns when the function has run in the child, which has its own process group.
    Actor(const Objects& objects, const Deeds& deeds);
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    ~Actor();

    void let_go();              ///< tells it to end normally
    void end();                 ///< that, and waits for it
    void kill();                ///< SIGKILL to its process group; waits for it
    void kill_watcher() const;  ///< SIGKILL; returns when it is gone
    void kill_with_watcher();   ///< both, the watcher first
    bool watcher_gone() const;  ///< soon
    void signal_watcher(int number) const;

private:
    pid_t pid_{-1};
    Fd socket_, watcher_;
};

/// One router with one link, and installed objects under the lab's pin root.
class GuardBench {
public:
    GuardBench();

    Lab lab;
    Objects objects;
    Netns netns;
    std::uint32_t ifindex{0};

    /// What a scan does at an interface: enter, claim, create. Runs in the calling process.
    Status add_qdisc(Guard& guard) const;
    Status add_filter(Guard& guard, ksms_direction direction, std::uint8_t dscp) const;
    Status add_neighbour(Guard& guard, const Address& address, std::uint8_t dscp) const;
    /// A filter on ingress with the name "theirs".
    void add_foreign_filter(std::uint16_t priority, std::uint32_t handle) const;

    /// "clsact", "ingress 4b530020 ksms", "100.64.0.9 02:6b:…": objects on the interface.
    [[nodiscard]] std::vector<std::string> standing() const;
    [[nodiscard]] std::size_t journal_entries() const;
    /// Waits until the interface is clean and the journal empty.
    [[nodiscard]] bool clean_soon() const;
    void tc(const std::vector<std::string>& arguments) const;
};

/// The value of a result; fails the test on an error.
template <typename T>
T value(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text());
    return std::move(*result);
}
inline void ok(const Status& status) {
    if (!status) throw std::runtime_error(status.error().text());
}

}  // namespace ksms::lab
