// SPDX-License-Identifier: BSD-2-Clause
// Who holds how many connections and how much memory. No sockets.
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

    /// May one more connection of this uid be opened? Once half of the places are taken a user
    /// other than root gets an eighth of his share, so that a few cannot take all.
    [[nodiscard]] bool may_connect(uid_t uid) const;

    Id add(uid_t uid);
    void remove(Id id);

    /// One more event stream or wait; false where the uid has as many as it may.
    [[nodiscard]] bool begin_stream(Id id);
    void end_stream(Id id);

    /// How much memory the answer of a connection takes now.
    void holds(Id id, std::size_t bytes);
    /// Whether more may be kept for this connection.
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
