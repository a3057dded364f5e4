// SPDX-License-Identifier: BSD-2-Clause
#include "http/peer.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/clock.hpp"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace ksms {
namespace {

constexpr std::uint64_t kept_for = 60'000'000'000;
constexpr std::size_t most_known = 4096;
constexpr gid_t no_group = static_cast<gid_t>(-1);

/// The peer's supplementary groups; none where the kernel does not say.
std::vector<gid_t> peer_groups(int socket) {
    std::vector<gid_t> groups(32);
    while (true) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        const int error = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
        const auto count = size / sizeof(gid_t);
        if (error == 0) return groups.resize(count), groups;
        if (errno != ERANGE || count <= groups.size()) return {};
        groups.resize(count);
    }
}

bool contains(const std::vector<gid_t>& groups, gid_t group) {
    return std::ranges::find(groups, group) != groups.end();
}

/// By the databases of users and groups.
bool is_member(const std::string& user, gid_t gid, gid_t group) {
    std::vector<gid_t> groups(64);
    for (int tries = 0; tries < 2; ++tries) {
        int count = static_cast<int>(groups.size());
        const bool complete = ::getgrouplist(user.c_str(), gid, groups.data(), &count) >= 0;
        groups.resize(static_cast<std::size_t>(count));
        if (complete) return contains(groups, group);
    }
    return false;
}

}  // namespace

Caller PeerNames::anonymous() {
    Caller caller;
    caller.anonymous = true;
    return caller;
}

void PeerNames::look_up_group() {
    if (monotonic_ns() < group_until_) return;
    std::array<char, 65536> text{};
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(group_.c_str(), &entry, text.data(), text.size(), &found);
    group_id_ = error == 0 && found != nullptr ? found->gr_gid : no_group;
    group_until_ = monotonic_ns() + kept_for;
}

const PeerNames::Known& PeerNames::known(uid_t uid, gid_t gid) {
    const auto now = monotonic_ns();
    if (const auto found = known_.find(uid); found != known_.end() && now < found->second.until)
        return found->second;
    if (known_.size() >= most_known) known_.clear();
    std::array<char, 16384> text{};
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwuid_r(uid, &entry, text.data(), text.size(), &found);
    Known answer{std::to_string(uid), false, now + kept_for};
    if (error == 0 && found != nullptr) {
        answer.user = found->pw_name;
        answer.member = group_id_ != no_group && is_member(answer.user, gid, group_id_);
    }
    return known_[uid] = std::move(answer);
}

Result<Caller> PeerNames::caller(int socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return fail_errno(errno, "ask who connected");
    look_up_group();
    const auto& answer = known(peer.uid, peer.gid);
    Caller caller;
    caller.uid = peer.uid;
    caller.pid = peer.pid;
    caller.user = answer.user;
    caller.trusted = peer.uid == 0;
    caller.may_submit = caller.trusted || answer.member ||
                        (group_id_ != no_group &&
                         (peer.gid == group_id_ || contains(peer_groups(socket), group_id_)));
    return caller;
}

}  // namespace ksms
