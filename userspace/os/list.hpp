// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "os/message.hpp"
#include "os/netlink.hpp"

namespace ksms {

/// Dumps objects of the kernel as values.
/// @param message  the request, without NLM_F_DUMP
/// @param parse    returns the value of a message; nothing: the message is skipped
template <typename Parse>
auto list(Netlink& netlink, Message& message, const std::string& what, const Parse& parse)
    -> Result<
        std::vector<typename std::invoke_result_t<const Parse&, const nlmsghdr*>::value_type>> {
    std::vector<typename std::invoke_result_t<const Parse&, const nlmsghdr*>::value_type> found;
    KSMS_CHECK(netlink.dump(
        message, what, [&] { found.clear(); },
        [&](const nlmsghdr* each) {
            if (auto value = parse(each)) found.push_back(std::move(*value));
        }));
    return found;
}

}  // namespace ksms
