// SPDX-License-Identifier: BSD-2-Clause
// Who decides about packets of an NFQUEUE target, in his own time.
#pragma once

#include <memory>
#include <string>

#include "lab/truth.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {

class PacketQueue {
public:
    /// Each packet of the queue waits so long, and is then accepted or dropped.
    PacketQueue(const std::string& netns, std::uint16_t queue, milliseconds waits, bool accept);

private:
    Fd socket_;
    std::unique_ptr<Background> work_;
};

}  // namespace ksms::lab
