// SPDX-License-Identifier: BSD-2-Clause
// Answers the questions of the HTTP process, in ksmsd. The process talks to any client and is not
// trusted: ksmsd knows the clients and their credentials and checks what each may do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "http/service.hpp"

namespace ksms {

class ServiceHost {
public:
    /// The connection to the front.
    struct Way {
        std::function<void(const nlohmann::json& head, std::string bytes)> send;
        std::function<std::size_t()> pending;  ///< bytes not written yet
    };

    struct Limits {
        std::size_t clients{4096};  ///< that the front has not reported as gone
        std::size_t asked{256};     ///< unanswered questions of one uid
        std::size_t watches{1024};
        /// Documents, lists and watches start only while fewer than this are being answered and
        /// fewer bytes wait for the front, so that short answers are not delayed.
        std::size_t long_ones{4};
        std::size_t pending{4UL * 1024 * 1024};
    };

    /// @param service  outlives this; called on the thread that calls take()
    /// @param way      not used after the destruction
    ServiceHost(JobService& service, Way way, Limits limits);
    ServiceHost(JobService& service, Way way) : ServiceHost(service, std::move(way), Limits{}) {}
    ServiceHost(const ServiceHost&) = delete;
    ServiceHost& operator=(const ServiceHost&) = delete;
    ~ServiceHost();

    /// Registers a client that is passed to the front. @return false if the front has too many
    /// clients that it has not reported as gone
    [[nodiscard]] bool add(const Caller& caller);
    /// Removes a client that could not be passed.
    void remove(const Caller& caller);
    /// Handles a message of the front. @return false if it violates front/messages.hpp
    [[nodiscard]] bool take(const nlohmann::json& head, const std::string& bytes);
    /// Call it when bytes were written to the front.
    void go_on();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
