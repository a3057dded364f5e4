// SPDX-License-Identifier: BSD-2-Clause
// A datagram of netlink: which request each message answers, its error and the words beside it.
#include <cerrno>

#include "messages.hpp"
#include "os/exchange.hpp"

using namespace ksms;
using namespace ksms::fuzz;

namespace {

void look_at(const nlmsghdr* message) {
    const int error = error_of(message);
    holds(error >= 0 && error <= 4095);
    holds(error == 0 || is_control(message));
    fits(message, error_text(message));
    constexpr std::uint16_t last = 64;
    const Attributes attributes(message, sizeof(nfgenmsg), last);
    for (std::uint16_t type = 0; type <= last; ++type) {
        fits(message, attributes.text(type));
        holds(attributes.bytes(type).size() < message->nlmsg_len);
        holds(attributes.u8(type, 1) == 1 || attributes[type] != nullptr);
        const bool four = attributes.bytes(type).size() >= 4;
        holds(four || attributes.u32(type, 7) == 7);
        holds(four || !attributes.address(type, AF_INET));
        // Passed on, it is whole or not sent.
        if (attributes[type] == nullptr) continue;
        Message copy(0, 0);
        copy.put(attributes[type]);
        holds(copy.whole() == (attributes.bytes(type).size() <= 1024 - NLMSG_HDRLEN - NLA_HDRLEN));
        for_each_attribute(attributes[type], [](const nlattr* each) {
            holds(Attributes(each, last).bytes(1).size() <= each->nla_len);
        });
    }
}

/// @param first  the number of the first of two requests
void converse(std::span<const char> datagram, std::uint32_t first, Exchange::Ends ends) {
    std::size_t taken = 0;
    Exchange exchange(first, 2, ends, [&](std::size_t which, const nlmsghdr* message) -> Status {
        holds(which < 2);
        ++taken;
        look_at(message);
        return {};
    });
    holds(exchange.take(datagram).has_value());
    holds(taken * NLMSG_HDRLEN <= datagram.size());
    holds(taken > 0 || (!exchange.over() && !exchange.interrupted()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span datagram(reinterpret_cast<const char*>(data), size);
    std::uint32_t first = 0;
    for_each_message(data, size, [&](const nlmsghdr* message) {
        if (first == 0) first = message->nlmsg_seq;
    });
    converse(datagram, first, Exchange::Ends::reply);
    converse(datagram, first - 1, Exchange::Ends::acknowledgement);
    return 0;
}
