// SPDX-License-Identifier: BSD-2-Clause
// Answers what the front asks, in ksmsd. The front speaks HTTP with anybody and is not believed:
// which clients there are and who they are is known here, and what each may is looked at here.
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
    /// To the front.
    struct Way {
        std::function<void(const nlohmann::json& head, std::string bytes)> send;
        std::function<std::size_t()> pending;  ///< bytes that it has not taken yet
    };

    struct Limits {
        std::size_t clients{4096};  ///< that the front has not called gone
        std::size_t asked{256};     ///< by one uid and not replied to yet
        std::size_t watches{1024};
        /// Documents, lists and watches are only begun while fewer than these are being answered,
        /// and fewer bytes wait for the front: short answers pass between them.
        std::size_t long_ones{4};
        std::size_t pending{4UL * 1024 * 1024};
    };

    /// @param service  outlives this, and is asked on the thread that calls take()
    /// @param way      not used any more once this is destroyed
    ServiceHost(JobService& service, Way way, Limits limits);
    ServiceHost(JobService& service, Way way) : ServiceHost(service, std::move(way), Limits{}) {}
    ServiceHost(const ServiceHost&) = delete;
    ServiceHost& operator=(const ServiceHost&) = delete;
    ~ServiceHost();

    /// A client that the front is given. @return false: it has called too few of them gone
    [[nodiscard]] bool add(const Caller& caller);
    /// One that it could not be given.
    void remove(const Caller& caller);
    /// A message of the front's. @return false: it breaks the rules of front/messages.hpp
    [[nodiscard]] bool take(const nlohmann::json& head, const std::string& bytes);
    /// The front has taken some of what was sent.
    void go_on();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
