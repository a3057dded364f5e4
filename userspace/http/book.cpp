// SPDX-License-Identifier: BSD-2-Clause
#include "http/book.hpp"

namespace ksms {

bool ConnectionBook::may_connect(uid_t uid) const {
    const auto taken = entries_.size();
    if (uid == 0) return taken < limits_.connections + limits_.reserved_for_root;
    const bool crowded = taken >= limits_.connections / 2;
    const auto share = crowded ? limits_.connections_per_uid / 8 : limits_.connections_per_uid;
    const auto user = users_.find(uid);
    const auto own = user == users_.end() ? 0 : user->second.connections;
    return taken < limits_.connections && own < share;
}

ConnectionBook::Id ConnectionBook::add(uid_t uid) {
    entries_.emplace(next_, Entry{uid});
    ++users_[uid].connections;
    return next_++;
}

void ConnectionBook::remove(Id id) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) return;
    end_stream(id);
    holds(id, 0);
    const auto user = users_.find(entry->second.uid);
    if (--user->second.connections == 0) users_.erase(user);
    entries_.erase(entry);
}

bool ConnectionBook::begin_stream(Id id) {
    auto& entry = entries_.at(id);
    auto& user = users_.at(entry.uid);
    if (entry.stream) return true;
    if (user.streams >= limits_.streams_per_uid) return false;
    entry.stream = true;
    ++user.streams;
    ++streams_;
    return true;
}

void ConnectionBook::end_stream(Id id) {
    auto& entry = entries_.at(id);
    if (!entry.stream) return;
    entry.stream = false;
    --users_.at(entry.uid).streams;
    --streams_;
}

void ConnectionBook::holds(Id id, std::size_t bytes) {
    auto& entry = entries_.at(id);
    auto& user = users_.at(entry.uid);
    user.bytes = user.bytes - entry.bytes + bytes;
    bytes_ = bytes_ - entry.bytes + bytes;
    entry.bytes = bytes;
}

bool ConnectionBook::has_room(Id id) const {
    const auto& entry = entries_.at(id);
    const bool in_all = bytes_ < limits_.bytes || entry.uid == 0;
    return in_all && users_.at(entry.uid).bytes < limits_.bytes_per_uid;
}

}  // namespace ksms
