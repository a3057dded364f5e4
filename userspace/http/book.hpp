// SPDX-License-Identifier: BSD-2-Clause
// Accounts connections, streams and memory of each uid. Uses no sockets.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>

#include "http/limits.hpp"

namespace ksms {

class ConnectionBook {
public:
    using Id = std::uint64_t;

    explicit ConnectionBook(const HttpLimits& limits) : limits_(limits) {}

    /// Whether this uid may open one more connection. When half of all connections are in use, a
    /// uid other than root has only an eighth of its share, so that a few users cannot take all.
    [[nodiscard]] bool may_connect(uid_t uid) const;

    Id add(uid_t uid);
    void remove(Id id);

    /// Counts one more event stream or wait. @return false if the uid is at its limit
    [[nodiscard]] bool begin_stream(Id id);
    void end_stream(Id id);

    /// Sets the memory that the connection's answer uses.
    void holds(Id id, std::size_t bytes);
    /// Whether this connection may use more memory.
    [[nodiscard]] bool has_room(Id id) const;

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t streams() const { return streams_; }

private:
    struct Entry {
        uid_t uid;
        bool stream{false};
        std::size_t bytes{0};
    };
    struct User {
        std::size_t connections{0};
        std::size_t streams{0};
        std::size_t bytes{0};
    };

    HttpLimits limits_;
    std::unordered_map<Id, Entry> entries_;
    std::unordered_map<uid_t, User> users_;
    Id next_{1};
    std::size_t bytes_{0};
    std::size_t streams_{0};
};

}  // namespace ksms
