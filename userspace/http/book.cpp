// SPDX-License-Identifier: BSD-2-Clause
#include "http/book.hpp"

namespace ksms {

ConnectionBook::Admission ConnectionBook::ask(uid_t uid) const {
    const bool root = uid == 0;
    const auto user = users_.find(uid);
    const auto of_all = limits_.connections + (root ? limits_.reserved_for_root : 0);
    const auto of_uid = root ? of_all : limits_.connections_per_uid;
    if (user != users_.end() && user->second.connections >= of_uid) {
        if (user->second.waiting.empty()) return {};
        return {true, user->second.waiting.begin()->second};
    }
    if (entries_.size() < of_all) return {true, std::nullopt};
    if (waiting_.empty()) return {};
    return {true, waiting_.begin()->second};
}

ConnectionBook::Id ConnectionBook::add(uid_t uid) {
    const Id id = next_++;
    entries_.emplace(id, Entry{uid});
    ++users_[uid].connections;
    waits(id);
    return id;
}

void ConnectionBook::remove(Id id) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) return;
    works(id);
    end_stream(id);
    holds(id, 0);
    const auto user = users_.find(entry->second.uid);
    if (--user->second.connections == 0) users_.erase(user);
    entries_.erase(entry);
}

void ConnectionBook::waits(Id id) {
    works(id);
    auto& entry = entries_.at(id);
    entry.since = next_++;
    waiting_.emplace(entry.since, id);
    users_.at(entry.uid).waiting.emplace(entry.since, id);
}

void ConnectionBook::works(Id id) {
    auto& entry = entries_.at(id);
    if (entry.since == 0) return;
    waiting_.erase({entry.since, id});
    users_.at(entry.uid).waiting.erase({entry.since, id});
    entry.since = 0;
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

bool ConnectionBook::may_answer(Id id) const {
    const auto& entry = entries_.at(id);
    const bool in_all = bytes_ < limits_.bytes || entry.uid == 0;
    return in_all && users_.at(entry.uid).bytes < limits_.bytes_per_uid;
}

}  // namespace ksms
