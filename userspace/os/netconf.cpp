// SPDX-License-Identifier: BSD-2-Clause
// Settings of interfaces, as RTM_GETNETCONF has them.
#include <linux/netconf.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "os/message.hpp"
#include "os/netlink.hpp"

namespace ksms {
namespace {

constexpr auto kAll = static_cast<std::uint32_t>(NETCONFA_IFINDEX_ALL);  // conf/all

Result<std::uint32_t> setting(Netlink& netlink, int family, std::uint32_t ifindex,
                              std::uint16_t attribute) {
    Message message(RTM_GETNETCONF, 0);
    message.fixed<netconfmsg>().ncm_family = static_cast<__u8>(family);
    message.put_u32(NETCONFA_IFINDEX, ifindex);
    std::uint32_t value = 0;
    KSMS_CHECK(netlink.query(
        message, "ask for the settings of " + netlink.netns(), [&](const nlmsghdr* each) {
            value = Attributes(each, sizeof(netconfmsg), NETCONFA_MAX).u32(attribute);
        }));
    return value;
}

}  // namespace

Result<bool> forwards(Netlink& netlink, int family, std::uint32_t ifindex) {
    // ip-sysctl: IPv6 uses conf/all/forwarding, IPv4 the interface's own.
    KSMS_TRY(const auto on,
             setting(netlink, family, family == AF_INET6 ? kAll : ifindex, NETCONFA_FORWARDING));
    return on != 0;
}

Result<std::uint32_t> rp_filter(Netlink& netlink, std::uint32_t ifindex) {
    KSMS_TRY(const auto all, setting(netlink, AF_INET, kAll, NETCONFA_RP_FILTER));
    KSMS_TRY(const auto own, setting(netlink, AF_INET, ifindex, NETCONFA_RP_FILTER));
    return std::max(all, own);
}

}  // namespace ksms
