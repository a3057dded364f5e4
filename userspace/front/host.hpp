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
#include <string_view>

#include "http/service.hpp"

namespace ksms {

class ServiceHost {
public:
    using Send = std::function<void(const nlohmann::json& head, std::string_view bytes)>;

    struct Limits {
        std::size_t clients{4096};  ///< that the front has not called gone
        std::size_t asked{1024};    ///< and not replied to yet
        std::size_t watches{1024};
    };

    /// @param service  outlives this, and is asked on the thread that calls take()
    /// @param send     to the front; not called any more once this is destroyed
    ServiceHost(JobService& service, Send send, Limits limits);
    ServiceHost(JobService& service, Send send) : ServiceHost(service, std::move(send), Limits{}) {}
    ServiceHost(const ServiceHost&) = delete;
    ServiceHost& operator=(const ServiceHost&) = delete;
    ~ServiceHost();

    /// A client that the front is given. @return false: it has called too few of them gone
    [[nodiscard]] bool add(const Caller& caller);
    /// One that it could not be given.
    void remove(const Caller& caller);
    /// A message of the front's. @return false: it breaks the rules of front/messages.hpp
    [[nodiscard]] bool take(const nlohmann::json& head, std::string bytes);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace ksms
