// SPDX-License-Identifier: BSD-2-Clause
// Who is on the other side of a Unix socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "http/background.hpp"
#include "http/service.hpp"

namespace ksms {

/// What the databases of users and groups say. They may be far away (LDAP), so they are asked on a
/// thread of their own, and their answers are kept for a minute.
class PeerNames {
public:
    /// Looks the group up, once before it returns.
    /// @param io     outlives this
    /// @param group  whose members may submit jobs
    PeerNames(boost::asio::io_context& io, std::string group);

    /// The caller as the kernel kept it when it connected: SO_PEERCRED (unix(7)) for uid, gid and
    /// pid, SO_PEERGROUPS (Linux 4.13) for the other groups. `user` is the number, "root" for 0.
    [[nodiscard]] Result<Caller> caller(int socket);
    /// @param then  called once, on the io_context, before this returns where the answer is known;
    ///              never, where the databases do not answer
    void look_up(uid_t uid, gid_t gid, std::function<void(const CallerNames&)> then);

    /// Whose uid a name is; nothing where it is nobody's. @param then  as above
    void find(const std::string& user, std::function<void(std::optional<uid_t>)> then);

    /// Whoever comes by the loopback port.
    [[nodiscard]] static Caller anonymous();

private:
    struct Known {
        CallerNames names;
        Instant until;
    };
    void answered(uid_t uid, const Result<CallerNames>& found);
    void refresh_group();
    void take_group(const Result<std::optional<gid_t>>& found);

    std::string group_;
    std::unordered_map<uid_t, Known> known_;
    std::map<uid_t, std::vector<std::function<void(const CallerNames&)>>> asked_;
    gid_t group_id_{static_cast<gid_t>(-1)};  ///< -1: there is no such group
    Instant group_until_;
    Background databases_;
};

}  // namespace ksms
