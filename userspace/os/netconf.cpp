// SPDX-License-Identifier: BSD-2-Clause
#include "os/netconf.hpp"

#include <linux/netconf.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "os/message.hpp"

namespace ksms {
namespace {

Result<std::uint32_t> setting(Netlink& netlink, std::uint32_t ifindex, std::uint16_t attribute) {
    Message message(RTM_GETNETCONF, 0);
    message.fixed<netconfmsg>().ncm_family = AF_INET;
    message.put_u32(NETCONFA_IFINDEX, ifindex);
    std::uint32_t value = 0;
    KSMS_CHECK(netlink.query(
        message, "ask for the settings of " + netlink.netns(), [&](const nlmsghdr* each) {
            value = Attributes(each, sizeof(netconfmsg), NETCONFA_MAX).u32(attribute);
        }));
    return value;
}

}  // namespace

Result<std::uint32_t> reverse_path_filter(Netlink& netlink, std::uint32_t ifindex) {
    constexpr auto all = static_cast<std::uint32_t>(NETCONFA_IFINDEX_ALL);
    KSMS_TRY(const auto of_all, setting(netlink, all, NETCONFA_RP_FILTER));
    KSMS_TRY(const auto own, setting(netlink, ifindex, NETCONFA_RP_FILTER));
    return std::max(of_all, own);
}

}  // namespace ksms
