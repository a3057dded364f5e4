// SPDX-License-Identifier: BSD-2-Clause
// Who holds how many connections and how much memory, and who has to go first. No sockets.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "http/limits.hpp"

namespace ksms {

class ConnectionBook {
public:
    using Id = std::uint64_t;

    explicit ConnectionBook(const HttpLimits& limits) : limits_(limits) {}

    struct Admission {
        bool admitted{false};
        std::optional<Id> evict;  ///< close this one to make room for it
    };
    /// May one more connection of this uid be opened? If a limit is reached, the connection that
    /// has been idle longest is closed first: one of this uid if the uid is at its limit, else any.
    [[nodiscard]] Admission ask(uid_t uid) const;

    /// A new connection; it waits for its client.
    Id add(uid_t uid);
    void remove(Id id);

    /// It waits for its client to say something, from now on.
    void waits(Id id);
    /// A request of its is being answered: it is not evicted.
    void works(Id id);

    /// One more event stream or wait; false where the uid has as many as it may.
    [[nodiscard]] bool begin_stream(Id id);
    void end_stream(Id id);

    /// How much memory the answer of a connection takes now.
    void holds(Id id, std::size_t bytes);
    /// Whether one more answer may be made for this connection.
    [[nodiscard]] bool may_answer(Id id) const;

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t streams() const { return streams_; }

private:
    using Queue = std::set<std::pair<std::uint64_t, Id>>;  ///< by when it began to wait
    struct Entry {
        uid_t uid;
        std::uint64_t since{0};  ///< 0: it works
        bool stream{false};
        std::size_t bytes{0};
    };
    struct User {
        std::size_t connections{0};
        std::size_t streams{0};
        std::size_t bytes{0};
        Queue waiting;
    };

    HttpLimits limits_;
    std::unordered_map<Id, Entry> entries_;
    std::unordered_map<uid_t, User> users_;
    Queue waiting_;
    std::uint64_t next_{1};
    std::size_t bytes_{0};
    std::size_t streams_{0};
};

}  // namespace ksms
