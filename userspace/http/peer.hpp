// SPDX-License-Identifier: BSD-2-Clause
// Identity of the peers of a Unix socket.
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

/// Looks in the user and group databases on a thread, because they may be remote (LDAP), and caches
/// the results for a minute.
class PeerNames {
public:
    /// Looks the group up once, synchronously.
    /// @param io     outlives this
    /// @param group  whose members may submit jobs
    PeerNames(boost::asio::io_context& io, std::string group);

    /// The peer's credentials when it connected: SO_PEERCRED (unix(7)) for uid, gid and pid,
    /// SO_PEERGROUPS (Linux 4.13) for the other groups. `user` is the number, "root" for 0.
    [[nodiscard]] Result<Caller> caller(int socket);
    /// @param then  called once on the io_context, immediately if the result is cached; never if
    ///              the database does not answer
    void look_up(uid_t uid, gid_t gid, std::function<void(const CallerNames&)> then);

    /// Looks up the uid of a user name; none if there is no such user. @param then  as above
    void find(const std::string& user, std::function<void(std::optional<uid_t>)> then);

    /// A caller over the loopback port.
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
