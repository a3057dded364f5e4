// SPDX-License-Identifier: BSD-2-Clause
// A process that stands for a scan: it has a guard, does what it is told, and then waits for its
// end, whichever that is.
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
    /// Returns when the deeds are done. They run in the child, in a process group of its own.
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

/// One router with one link, installed objects under the lab's pin root, and looks at the router.
class GuardBench {
public:
    GuardBench();

    Lab lab;
    Objects objects;
    Netns netns;
    std::uint32_t ifindex{0};

    /// What a scan does at an interface: enter, claim, create. Runs in whoever calls it.
    Status add_qdisc(Guard& guard) const;
    Status add_filter(Guard& guard, ksms_direction direction, std::uint8_t dscp) const;
    Status add_neighbour(Guard& guard, const Address& address, std::uint8_t dscp) const;
    /// On ingress, with the name "theirs".
    void add_foreign_filter(std::uint16_t priority, std::uint32_t handle) const;

    /// "clsact", "ingress 4b530020 ksms", "100.64.0.9 02:6b:…": what stands on the interface.
    [[nodiscard]] std::vector<std::string> standing() const;
    [[nodiscard]] std::size_t journal_entries() const;
    /// Waits until nothing stands there, and the journal is empty.
    [[nodiscard]] bool clean_soon() const;
    void tc(const std::vector<std::string>& arguments) const;
};

/// The value of a result, or a failed test.
template <typename T>
T value(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text());
    return std::move(*result);
}
inline void ok(const Status& status) {
    if (!status) throw std::runtime_error(status.error().text());
}

}  // namespace ksms::lab
