// SPDX-License-Identifier: BSD-2-Clause
// Interfaces, their addresses, and the ids of peer namespaces.
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

std::uint32_t vlan_of(const nlattr* data) {
    const Attributes vlan(data, IFLA_VLAN_MAX);
    return std::uint32_t{vlan.be16(IFLA_VLAN_PROTOCOL)} << 16 | vlan.u16(IFLA_VLAN_ID);
}

}  // namespace

std::optional<Link> parse_link(const nlmsghdr* message) {
    const auto info = fixed_part<ifinfomsg>(message);
    if (!info) return std::nullopt;
    const Attributes attributes(message, sizeof *info, IFLA_MAX);
    Link link;
    link.ifindex = static_cast<std::uint32_t>(info->ifi_index);
    link.arp_type = info->ifi_type;
    link.up = (info->ifi_flags & IFF_UP) != 0;
    link.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0;
    link.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
    link.no_arp = (info->ifi_flags & (IFF_NOARP | IFF_POINTOPOINT)) != 0;
    link.name = attributes.text(IFLA_IFNAME);
    link.mtu = attributes.u32(IFLA_MTU);
    link.master = attributes.u32(IFLA_MASTER);
    link.peer = attributes.u32(IFLA_LINK);
    link.peer_nsid =
        static_cast<int>(attributes.u32(IFLA_LINK_NETNSID, static_cast<std::uint32_t>(-1)));
    const Attributes linkinfo(attributes[IFLA_LINKINFO], IFLA_INFO_MAX);
    link.kind = linkinfo.text(IFLA_INFO_KIND);
    if (link.kind == "vlan") link.vlan = vlan_of(linkinfo[IFLA_INFO_DATA]);
    if (link.kind == "bridge")
        link.filters_vlans =
            Attributes(linkinfo[IFLA_INFO_DATA], IFLA_BR_MAX).u8(IFLA_BR_VLAN_FILTERING) != 0;
    const Attributes xdp(attributes[IFLA_XDP], IFLA_XDP_MAX);
    link.xdp_program = xdp.u32(IFLA_XDP_PROG_ID);
    const auto attached = xdp.u8(IFLA_XDP_ATTACHED);
    link.xdp_in_driver = attached != XDP_ATTACHED_NONE && attached != XDP_ATTACHED_SKB;
    // Newer kernels append counters, older ones have fewer.
    rtnl_link_stats64 counted{};
    const auto stats = attributes.bytes(IFLA_STATS64);
    if (!stats.empty()) std::memcpy(&counted, stats.data(), std::min(stats.size(), sizeof counted));
    link.sent_packets = counted.tx_packets;
    if (const auto mac = attributes.bytes(IFLA_ADDRESS);
        info->ifi_type == ARPHRD_ETHER && mac.size() == std::tuple_size_v<Mac>)
        std::ranges::copy(mac, link.mac.emplace().begin());
    return link;
}

std::optional<InterfaceAddress> parse_interface_address(const nlmsghdr* message) {
    const auto info = fixed_part<ifaddrmsg>(message);
    if (!info) return std::nullopt;
    const Attributes attributes(message, sizeof *info, IFA_MAX);
    InterfaceAddress address;
    address.ifindex = info->ifa_index;
    address.prefix.length = info->ifa_prefixlen;
    // IFA_LOCAL is the local address; on a point-to-point link IFA_ADDRESS is the peer's
    // (rtnetlink(7)).
    address.prefix.address = attributes.address(IFA_LOCAL, info->ifa_family);
    if (!address.prefix.address)
        address.prefix.address = attributes.address(IFA_ADDRESS, info->ifa_family);
    address.tentative = (attributes.u32(IFA_FLAGS, info->ifa_flags) & IFA_F_TENTATIVE) != 0;
    if (!address.prefix.address) return std::nullopt;
    return address;
}

Result<std::vector<Link>> links(Netlink& netlink) {
    Message message(RTM_GETLINK, 0);
    message.fixed<ifinfomsg>().ifi_family = AF_UNSPEC;
    return list(netlink, message, "list the interfaces of " + netlink.netns(), parse_link);
}

std::vector<Link> own_links(std::vector<Link> all) {
    std::set<std::uint32_t> vrfs{0};
    for (const auto& link : all)
        if (link.kind == "vrf") vrfs.insert(link.ifindex);
    std::erase_if(
        all, [&vrfs](const Link& link) { return link.loopback || !vrfs.contains(link.master); });
    return all;
}

Result<std::vector<InterfaceAddress>> addresses(Netlink& netlink) {
    Message message(RTM_GETADDR, 0);
    message.fixed<ifaddrmsg>().ifa_family = AF_UNSPEC;
    return list(netlink, message, "list the addresses of " + netlink.netns(),
                parse_interface_address);
}

Result<int> nsid(Netlink& netlink, const Netns& other) {
    Message message(RTM_GETNSID, 0);
    message.fixed<rtgenmsg>().rtgen_family = AF_UNSPEC;
    message.put_u32(NETNSA_FD, static_cast<std::uint32_t>(other.fd()));
    int id = -1;
    KSMS_CHECK(netlink.query(message, "ask " + netlink.netns() + " for its id of " + other.name(),
                             [&](const nlmsghdr* each) {
                                 id = static_cast<int>(
                                     Attributes(each, sizeof(rtgenmsg), NETNSA_MAX)
                                         .u32(NETNSA_NSID, static_cast<std::uint32_t>(-1)));
                             }));
    return id;
}

}  // namespace ksms
