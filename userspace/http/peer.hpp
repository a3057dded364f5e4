// SPDX-License-Identifier: BSD-2-Clause
// Who is on the other side of a Unix socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/error.hpp"
#include "http/service.hpp"

namespace ksms {

class PeerNames {
public:
    explicit PeerNames(std::string group) : group_(std::move(group)) {}

    /// The caller as the kernel kept him when he connected: SO_PEERCRED (unix(7)) for uid, gid and
    /// pid, SO_PEERGROUPS (Linux 4.13) for his other groups. A member of the group is also who the
    /// group database names. Its answers are kept for a minute, because it may be far away.
    [[nodiscard]] Result<Caller> caller(int socket);

    /// Whoever comes by the loopback port.
    [[nodiscard]] static Caller anonymous();

private:
    struct Known {
        std::string user;
        bool member{false};
        std::uint64_t until{0};  ///< monotonic_ns()
    };
    [[nodiscard]] const Known& known(uid_t uid, gid_t gid);

    std::string group_;
    std::unordered_map<uid_t, Known> known_;
    gid_t group_id_{static_cast<gid_t>(-1)};  ///< -1: there is no such group
    std::uint64_t group_until_{0};
    void look_up_group();
};

}  // namespace ksms
