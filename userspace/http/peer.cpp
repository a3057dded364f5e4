// SPDX-License-Identifier: BSD-2-Clause
#include "http/peer.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/group.hpp"

namespace ksms {
namespace {

constexpr std::chrono::minutes kept_for{1};
constexpr std::size_t most_known = 4096;
constexpr gid_t no_group = static_cast<gid_t>(-1);

/// The peer's supplementary groups; none if the kernel does not report them.
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

/// Looks in the user and group databases.
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

/// @return an error if the lookup failed for lack of resources
Result<CallerNames> names_of(uid_t uid, gid_t gid, gid_t group) {
    std::array<char, 16384> text{};
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwuid_r(uid, &entry, text.data(), text.size(), &found);
    if (is_shortage(error)) return fail_errno(error, "look for a user");
    if (error != 0 || found == nullptr) return CallerNames{std::to_string(uid), false};
    CallerNames names{found->pw_name, false};
    names.member = group != no_group && is_member(names.user, gid, group);
    return names;
}

std::optional<uid_t> uid_of(const std::string& user) {
    std::array<char, 16384> text{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(user.c_str(), &entry, text.data(), text.size(), &found) != 0) return {};
    return found == nullptr ? std::nullopt : std::optional(found->pw_uid);
}

}  // namespace

PeerNames::PeerNames(boost::asio::io_context& io, std::string group)
    : group_(std::move(group)), databases_(io, "ksmsd-names", Lane::AtEnd::abandon) {
    take_group(find_group(group_));
}

Caller PeerNames::anonymous() {
    Caller caller;
    caller.anonymous = true;
    return caller;
}

/// Looks the group up again. The old result is used until then.
void PeerNames::refresh_group() {
    if (monotonic() < group_until_) return;
    group_until_ = monotonic() + kept_for;
    databases_.run([group = group_] { return find_group(group); },
                   [this](const Result<std::optional<gid_t>>& found) { take_group(found); });
}

/// After an error the next client triggers a new lookup.
void PeerNames::take_group(const Result<std::optional<gid_t>>& found) {
    group_until_ = found ? monotonic() + kept_for : Instant{};
    if (found) group_id_ = found->value_or(no_group);
}

Result<Caller> PeerNames::caller(int socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return fail_errno(errno, "ask who connected");
    refresh_group();
    Caller caller;
    caller.uid = peer.uid;
    caller.gid = peer.gid;
    caller.pid = peer.pid;
    caller.trusted = peer.uid == 0;
    caller.user = caller.trusted ? "root" : std::to_string(peer.uid);
    caller.may_submit =
        caller.trusted || (group_id_ != no_group &&
                           (peer.gid == group_id_ || contains(peer_groups(socket), group_id_)));
    return caller;
}

void PeerNames::look_up(uid_t uid, gid_t gid, std::function<void(const CallerNames&)> then) {
    const auto known = known_.find(uid);
    if (known != known_.end() && monotonic() < known->second.until)
        return then(known->second.names);
    auto& waiting = asked_[uid];
    if (waiting.size() >= most_known) return then({std::to_string(uid), false});
    waiting.push_back(std::move(then));
    if (waiting.size() > 1) return;
    databases_.run([uid, gid, group = group_id_] { return names_of(uid, gid, group); },
                   [this, uid](const Result<CallerNames>& found) { answered(uid, found); });
}

void PeerNames::find(const std::string& user, std::function<void(std::optional<uid_t>)> then) {
    databases_.run([user] { return uid_of(user); }, std::move(then));
}

void PeerNames::answered(uid_t uid, const Result<CallerNames>& found) {
    if (known_.size() >= most_known) known_.clear();
    const auto names = found.value_or(CallerNames{std::to_string(uid), false});
    if (found) known_[uid] = {names, monotonic() + kept_for};
    const auto waiting = asked_.extract(uid);
    if (waiting.empty()) return;
    for (const auto& then : waiting.mapped()) then(names);
}

}  // namespace ksms
