// SPDX-License-Identifier: BSD-2-Clause
// clsact and its cls_bpf filters.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "os/list.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/parse.hpp"

namespace ksms {
namespace {

std::uint32_t hook_parent(std::uint8_t direction) {
    return TC_H_MAKE(TC_H_CLSACT, direction == 0 ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

tcmsg& clsact(Message& message, std::uint32_t ifindex) {
    auto& info = message.fixed<tcmsg>();
    info.tcm_family = AF_UNSPEC;
    info.tcm_ifindex = static_cast<int>(ifindex);
    info.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    info.tcm_parent = TC_H_CLSACT;
    message.put_text(TCA_KIND, "clsact");
    return info;
}

tcmsg& filter_message(Message& message, const Filter& filter) {
    auto& info = message.fixed<tcmsg>();
    info.tcm_family = AF_UNSPEC;
    info.tcm_ifindex = static_cast<int>(filter.ifindex);
    info.tcm_parent = hook_parent(filter.direction);
    info.tcm_handle = filter.handle;
    info.tcm_info = TC_H_MAKE(static_cast<std::uint32_t>(filter.priority) << 16, htons(ETH_P_ALL));
    return info;
}

std::string describe(const char* verb, const Filter& filter, const std::string& netns) {
    return fmt::format("{} a filter ({}) on interface {} of {}", verb,
                       filter.direction == 0 ? "ingress" : "egress", filter.ifindex, netns);
}

}  // namespace

std::optional<Filter> parse_filter(const nlmsghdr* message, std::uint8_t direction) {
    const auto info = fixed_part<tcmsg>(message);
    if (!info || info->tcm_handle == 0) return std::nullopt;
    const Attributes attributes(message, sizeof *info, TCA_MAX);
    Filter filter;
    filter.ifindex = static_cast<std::uint32_t>(info->tcm_ifindex);
    filter.direction = direction;
    filter.priority = static_cast<std::uint16_t>(TC_H_MAJ(info->tcm_info) >> 16);
    filter.handle = info->tcm_handle;
    filter.chain = attributes.u32(TCA_CHAIN);
    filter.kind = attributes.text(TCA_KIND);
    if (filter.kind == "bpf") {
        const Attributes options(attributes[TCA_OPTIONS], TCA_BPF_MAX);
        filter.name = options.text(TCA_BPF_NAME);
        filter.program = options.u32(TCA_BPF_ID);
        filter.classid = options.u32(TCA_BPF_CLASSID);
    }
    return filter;
}

std::optional<Qdisc> parse_qdisc(const nlmsghdr* message) {
    const auto info = fixed_part<tcmsg>(message);
    if (!info) return std::nullopt;
    const Attributes attributes(message, sizeof *info, TCA_MAX);
    return Qdisc{static_cast<std::uint32_t>(info->tcm_ifindex), info->tcm_handle, info->tcm_parent,
                 attributes.text(TCA_KIND)};
}

Result<std::vector<Qdisc>> qdiscs(Netlink& netlink) {
    Message message(RTM_GETQDISC, 0);
    message.fixed<tcmsg>().tcm_family = AF_UNSPEC;
    return list(netlink, message, "list the queueing disciplines of " + netlink.netns(),
                parse_qdisc);
}

Status add_clsact(Netlink& netlink, std::uint32_t ifindex) {
    Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
    clsact(message, ifindex);
    return netlink.request(
        message, fmt::format("add clsact to interface {} of {}", ifindex, netlink.netns()));
}

Status remove_clsact(Netlink& netlink, std::uint32_t ifindex) {
    Message message(RTM_DELQDISC, 0);
    clsact(message, ifindex);
    return netlink.request(
        message, fmt::format("remove clsact from interface {} of {}", ifindex, netlink.netns()));
}

namespace {

Result<std::vector<Filter>> filters_of(Netlink& netlink, std::uint32_t ifindex,
                                       std::uint32_t parent, std::uint8_t direction) {
    Message message(RTM_GETTFILTER, 0);
    auto& info = message.fixed<tcmsg>();
    info.tcm_family = AF_UNSPEC;
    info.tcm_ifindex = static_cast<int>(ifindex);
    info.tcm_parent = parent;
    return list(netlink, message,
                fmt::format("list the filters on interface {} of {}", ifindex, netlink.netns()),
                [&](const nlmsghdr* each) { return parse_filter(each, direction); });
}

}  // namespace

namespace {

/// Handles of the classes of an interface: each may have filters of its own.
Result<std::vector<std::uint32_t>> traffic_classes(Netlink& netlink, std::uint32_t ifindex) {
    Message message(RTM_GETTCLASS, 0);
    auto& info = message.fixed<tcmsg>();
    info.tcm_family = AF_UNSPEC;
    info.tcm_ifindex = static_cast<int>(ifindex);
    return list(netlink, message,
                fmt::format("list the classes of interface {} of {}", ifindex, netlink.netns()),
                [](const nlmsghdr* each) -> std::optional<std::uint32_t> {
                    const auto part = fixed_part<tcmsg>(each);
                    return part ? std::optional(part->tcm_handle) : std::nullopt;
                });
}

}  // namespace

Result<std::vector<Filter>> filters(Netlink& netlink, std::uint32_t ifindex,
                                    std::uint8_t direction) {
    return filters_of(netlink, ifindex, hook_parent(direction), direction);
}

Result<bool> sorts_packets(Netlink& netlink, std::string_view ours) {
    // By nothing, or by nothing but the order in which they leave.
    static constexpr std::string_view plain[] = {"noqueue", "pfifo_fast", "fq_codel", "mq",
                                                 "fq",      "pfifo",      "bfifo",    "tbf"};
    static constexpr std::string_view by_priority[] = {"prio",   "ets",  "mqprio",
                                                       "taprio", "cake", "dsmark"};
    KSMS_TRY(const auto all, qdiscs(netlink));
    for (const auto& qdisc : all) {
        if (std::ranges::find(plain, qdisc.kind) != std::end(plain)) continue;
        if (std::ranges::find(by_priority, qdisc.kind) != std::end(by_priority)) return true;
        const bool both = qdisc.kind == "clsact";
        if (!both && qdisc.kind != "ingress") {
            KSMS_TRY(const auto classes, traffic_classes(netlink, qdisc.ifindex));
            for (const auto each : classes) {
                KSMS_TRY(const auto found, filters_of(netlink, qdisc.ifindex, each, 0));
                if (!found.empty()) return true;
            }
        }
        for (const std::uint8_t direction : {0, 1}) {
            if (direction == 1 && !both) continue;
            const auto parent = both ? hook_parent(direction) : qdisc.handle;
            KSMS_TRY(const auto found, filters_of(netlink, qdisc.ifindex, parent, direction));
            const auto is_ours = [ours](const Filter& filter) {
                return filter.kind == "bpf" && filter.name == ours;
            };
            if (!std::ranges::all_of(found, is_ours)) return true;
        }
    }
    return false;
}

Status add_bpf_filter(Netlink& netlink, const Filter& filter, int program_fd) {
    Message message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
    filter_message(message, filter);
    message.put_text(TCA_KIND, "bpf");
    message.nest(TCA_OPTIONS, [&] {
        message.put_u32(TCA_BPF_FD, static_cast<std::uint32_t>(program_fd));
        message.put_text(TCA_BPF_NAME, filter.name);
        message.put_u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
        if (filter.classid != 0) message.put_u32(TCA_BPF_CLASSID, filter.classid);
    });
    return netlink.request(message, describe("add", filter, netlink.netns()));
}

Status remove_filter(Netlink& netlink, const Filter& filter) {
    Message message(RTM_DELTFILTER, 0);
    filter_message(message, filter);
    message.put_text(TCA_KIND, "bpf");
    return netlink.request(message, describe("remove", filter, netlink.netns()));
}

}  // namespace ksms
