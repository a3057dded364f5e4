// SPDX-License-Identifier: BSD-2-Clause
// What a worker has ready before a job comes, and keeps for the next one: maps and programs, a
// guard, and taps on the routers that its jobs use.
#pragma once

#include <memory>

#include "base/error.hpp"
#include "bpf/objects.hpp"
#include "guard/guard.hpp"
#include "judge/plan.hpp"
#include "route/network.hpp"

namespace ksms {

class Workbench {
public:
    Workbench();
    Workbench(const Workbench&) = delete;
    Workbench& operator=(const Workbench&) = delete;
    ~Workbench();

    /// Opens what is not open yet, or is not what is pinned any more. Call it while the process has
    /// one thread, and not while a scan uses what was open.
    Status prepare(const PinRoot& root);
    /// After prepare().
    [[nodiscard]] const Objects& objects() const;
    [[nodiscard]] Guard& guard();

    /// Keeps taps on the plan's routers, so that the next job attaches nothing; they go with the
    /// worker, however it ends. Where it cannot (a kernel without TCX), scans attach their own:
    /// that is no error. After prepare().
    /// @param network  that the plan was made of
    void keep(const Plan& plan, const Network& network);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ksms
