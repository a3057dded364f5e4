// SPDX-License-Identifier: BSD-2-Clause
// A worker keeps taps on the routers that its jobs use: the next job attaches nothing. They go with
// the worker, however it ends.
#pragma once

#include <memory>

#include "base/error.hpp"
#include "bpf/pin_root.hpp"
#include "scan/plan.hpp"

namespace ksms {

class Keeper {
public:
    Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper();

    /// Where it cannot (a kernel without TCX), scans attach their own: that is no error.
    void keep(const PinRoot& root, const Plan& plan);

private:
    struct State;
    std::unique_ptr<State> state_;
    bool hopeless_{false};
};

}  // namespace ksms
