// SPDX-License-Identifier: BSD-2-Clause
#include "os/xfrm.hpp"

#include <endian.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <string>

#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

Prefix prefix_of(std::uint16_t family, const xfrm_address_t& address, std::uint8_t length) {
    return {Address::from_bytes(family, &address), length};
}

/// Policies come from these modules alone. Whether one is built into the kernel its list of
/// built-in modules tells; a kernel without modules has neither list.
bool policies_possible() {
    static const bool possible = [] {
        for (const char* path : {"/sys/module/xfrm_user", "/sys/module/af_key"})
            if (access(path, F_OK) == 0) return true;
        if (access("/proc/modules", F_OK) != 0) return true;
        utsname kernel{};
        if (uname(&kernel) != 0) return true;
        std::ifstream built_in(std::string("/lib/modules/") + kernel.release + "/modules.builtin");
        if (!built_in) return true;
        for (std::string line; std::getline(built_in, line);)
            if (line.ends_with("/xfrm_user.ko")) return true;
        return false;
    }();
    return possible;
}

/// Of the kernel, which has it in network byte order.
IpsecPorts ports_of(__be16 value, __be16 mask) {
    return {be16toh(value), be16toh(mask)};
}

}  // namespace

bool IpsecPolicy::tells_apart(const Address& from, const Address& to) const {
    const bool ports = source_ports.mask != 0 || destination_ports.mask != 0;
    return (protocol != 0 || ports) && concerns(from, to);
}

bool IpsecPolicy::selects(const IpsecFlow& flow) const {
    return (protocol == 0 || protocol == flow.protocol) &&
           source_ports.contains(flow.source_port) &&
           destination_ports.contains(flow.destination_port) && source.contains(flow.source) &&
           destination.contains(flow.destination);
}

bool is_blocked(const std::vector<IpsecPolicy>& policies, const IpsecFlow& flow) {
    auto first = std::numeric_limits<std::uint32_t>::max();
    for (const auto& policy : policies)
        if (policy.selects(flow)) first = std::min(first, policy.priority);
    const auto decides = [&](const IpsecPolicy& policy) {
        return policy.priority == first && policy.selects(flow);
    };
    const auto certain = [&](const IpsecPolicy& policy) {
        return !decides(policy) || (policy.blocks && !policy.depends);
    };
    return std::ranges::any_of(policies, decides) && std::ranges::all_of(policies, certain);
}

std::optional<IpsecPolicy> parse_outgoing_policy(const nlmsghdr* message) {
    const auto info = fixed_part<xfrm_userpolicy_info>(message);
    if (!info || info->dir != XFRM_POLICY_OUT) return std::nullopt;
    const auto& selected = info->sel;
    if (selected.family != AF_INET && selected.family != AF_INET6) return std::nullopt;
    IpsecPolicy policy;
    policy.source = prefix_of(selected.family, selected.saddr, selected.prefixlen_s);
    policy.destination = prefix_of(selected.family, selected.daddr, selected.prefixlen_d);
    policy.protocol = selected.proto;
    policy.source_ports = ports_of(selected.sport, selected.sport_mask);
    policy.destination_ports = ports_of(selected.dport, selected.dport_mask);
    policy.priority = info->priority;
    policy.blocks = info->action == XFRM_POLICY_BLOCK;
    const Attributes attributes(message, sizeof *info, XFRMA_IF_ID);
    policy.depends = selected.ifindex != 0 || attributes[XFRMA_MARK] != nullptr ||
                     attributes[XFRMA_IF_ID] != nullptr;
    return policy;
}

namespace {

template <typename Parse>
auto list_policies(const Netns& netns, Parse parse)
    -> decltype(list(std::declval<Netlink&>(), std::declval<Message&>(), std::string(), parse)) {
    if (!policies_possible()) return {};
    auto netlink = Netlink::open_xfrm(netns);
    if (!netlink && netlink.error().err == EPROTONOSUPPORT) return {};
    if (!netlink) return std::unexpected(netlink.error());
    Message message(XFRM_MSG_GETPOLICY, 0);
    message.fixed<xfrm_userpolicy_id>();
    return list(*netlink, message, "list the IPsec policies of " + netns.name(), parse);
}

}  // namespace

Result<std::vector<IpsecPolicy>> outgoing_policies(const Netns& netns) {
    return list_policies(netns, parse_outgoing_policy);
}

Result<bool> has_policies(const Netns& netns) {
    KSMS_TRY(const auto all, list_policies(netns, [](const nlmsghdr* message) {
                 return std::optional(message->nlmsg_type);
             }));
    return !all.empty();
}

}  // namespace ksms
