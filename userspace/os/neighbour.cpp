// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"
#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"

namespace ksms {
namespace {

ndmsg& address_of(Message& message, std::uint32_t ifindex, const Address& address) {
    auto& info = message.fixed<ndmsg>();
    info.ndm_family = static_cast<__u8>(address.family);
    info.ndm_ifindex = static_cast<int>(ifindex);
    message.put(NDA_DST, address);
    return info;
}

std::string describe(const char* verb, const Address& address, const std::string& netns) {
    return fmt::format("{} the neighbour {} in {}", verb, address.text(), netns);
}

}  // namespace

std::optional<Neighbour> parse_neighbour(const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH)
        return std::nullopt;
    const auto info = fixed_part<ndmsg>(message);
    if (!info) return std::nullopt;
    if (info->ndm_family != AF_INET && info->ndm_family != AF_INET6) return std::nullopt;
    const Attributes attributes(message, sizeof *info, NDA_MAX);
    Neighbour neighbour;
    neighbour.ifindex = static_cast<std::uint32_t>(info->ndm_ifindex);
    neighbour.address = attributes.address(NDA_DST, info->ndm_family);
    neighbour.state =
        message->nlmsg_type == RTM_DELNEIGH ? std::uint16_t{NUD_NONE} : info->ndm_state;
    neighbour.protocol = attributes.u8(NDA_PROTOCOL);
    if (const auto mac = attributes.bytes(NDA_LLADDR); mac.size() == std::tuple_size_v<Mac>)
        std::ranges::copy(mac, neighbour.mac.emplace().begin());
    return neighbour;
}

Result<std::vector<Neighbour>> neighbours(Netlink& netlink, int family) {
    Message message(RTM_GETNEIGH, 0);
    message.fixed<ndmsg>().ndm_family = static_cast<__u8>(family);
    return list(netlink, message, "list the neighbours of " + netlink.netns(), parse_neighbour);
}

Result<std::optional<Neighbour>> neighbour(Netlink& netlink, std::uint32_t ifindex,
                                           const Address& address) {
    Message message(RTM_GETNEIGH, 0);
    address_of(message, ifindex, address);
    std::optional<Neighbour> found;
    const auto asked = netlink.query(message, describe("look up", address, netlink.netns()),
                                     [&](const nlmsghdr* each) { found = parse_neighbour(each); });
    if (!asked && asked.error().err != ENOENT) return std::unexpected(asked.error());
    return found;
}

Status use_neighbour(Netlink& netlink, std::uint32_t ifindex, const Address& address) {
    Message message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    auto& info = address_of(message, ifindex, address);
    info.ndm_state = NUD_NONE;
    info.ndm_flags = NTF_USE;
    return netlink.request(message, describe("resolve", address, netlink.netns()));
}

bool neighbour_works(std::uint16_t state) {
    return (state &
            (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)) != 0;
}

Status resolve_neighbour(Netlink& netlink, Netlink& listening, std::uint32_t ifindex,
                         const Address& address) {
    KSMS_TRY(const auto entry, neighbour(netlink, ifindex, address));
    if (entry && neighbour_works(entry->state)) return {};
    KSMS_CHECK(use_neighbour(netlink, ifindex, address));
    const auto deadline = monotonic() + kNeighbourPatience;
    for (bool answered = false; !answered && monotonic() < deadline;) {
        const auto rest = deadline - monotonic();
        const auto came = listening.wait(rest, [&](const nlmsghdr* message) {
            const auto seen = parse_neighbour(message);
            answered |= seen && seen->ifindex == ifindex && seen->address == address &&
                        neighbour_works(seen->state);
        });
        if (!came) return std::unexpected(came.error());
    }
    return {};
}

Status add_neighbour(Netlink& netlink, std::uint32_t ifindex, const Address& address,
                     const Mac& mac, std::uint8_t protocol) {
    Message message(RTM_NEWNEIGH, NLM_F_CREATE);
    address_of(message, ifindex, address).ndm_state = NUD_REACHABLE;
    message.put(NDA_LLADDR, mac);
    message.put_u8(NDA_PROTOCOL, protocol);
    return netlink.request(message, describe("add", address, netlink.netns()));
}

Status remove_neighbour(Netlink& netlink, std::uint32_t ifindex, const Address& address) {
    Message message(RTM_DELNEIGH, 0);
    address_of(message, ifindex, address);
    return netlink.request(message, describe("remove", address, netlink.netns()));
}

}  // namespace ksms
