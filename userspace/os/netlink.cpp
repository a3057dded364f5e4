// SPDX-License-Identifier: BSD-2-Clause
#include "os/netlink.hpp"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ksms {
namespace {

constexpr std::size_t kReceiveBuffer =
    64 * 1024;  // the kernel fills at most 32 KiB of a dump at once

int enable(int fd, int option) {
    const int on = 1;
    return setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

/// The text that the kernel put behind an acknowledgement (NETLINK_EXT_ACK, Linux 4.12).
std::string extended_text(const nlmsghdr* message) {
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    std::size_t offset = sizeof *error;
    if ((message->nlmsg_flags & NLM_F_CAPPED) == 0)
        offset += error->msg.nlmsg_len - sizeof(nlmsghdr);
    std::string text;
    const auto* begin = static_cast<const char*>(mnl_nlmsg_get_payload_offset(message, offset));
    const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
    for (const auto* at = reinterpret_cast<const nlattr*>(begin);
         mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at)));
         at = mnl_attr_next(at)) {
        if (mnl_attr_get_type(at) == NLMSGERR_ATTR_MSG &&
            mnl_attr_validate(at, MNL_TYPE_NUL_STRING) >= 0)
            text = mnl_attr_get_str(at);
    }
    return text;
}

}  // namespace

Result<Netlink> Netlink::open(const Netns& netns, std::uint32_t groups) {
    return open(netns, groups, NETLINK_ROUTE);
}

Result<Netlink> Netlink::open_netfilter(const Netns& netns) {
    return open(netns, 0, NETLINK_NETFILTER);
}

Result<Netlink> Netlink::open(const Netns& netns, std::uint32_t groups, int protocol) {
    Netlink netlink;
    netlink.netns_ = netns.name();
    KSMS_TRY(netlink.fd_, socket_in(netns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    if (bind(netlink.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, fmt::format("open netlink in {}", netns.name()));
    enable(netlink.fd_.get(), NETLINK_EXT_ACK);
    enable(netlink.fd_.get(), NETLINK_CAP_ACK);
    enable(netlink.fd_.get(), NETLINK_GET_STRICT_CHK);
    return netlink;
}

Status Netlink::send(nlmsghdr* message, const std::string& what) {
    message->nlmsg_seq = ++sequence_;
    if (::send(fd_.get(), message, message->nlmsg_len, 0) < 0) return fail_errno(errno, what);
    return {};
}

Status Netlink::request(nlmsghdr* message, const std::string& what) {
    message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    return query(message, what, [](const nlmsghdr*) {});
}

Status Netlink::query(nlmsghdr* message, const std::string& what,
                      const std::function<void(const nlmsghdr*)>& each) {
    message->nlmsg_flags |= NLM_F_REQUEST;
    const bool ends_with_ack = (message->nlmsg_flags & NLM_F_ACK) != 0;
    const bool dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    KSMS_CHECK(send(message, what));
    alignas(nlmsghdr) std::array<char, kReceiveBuffer> buffer;
    while (true) {
        const auto got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return fail_errno(errno, what);
        }
        int left = static_cast<int>(got);
        for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(answer, left);
             answer = mnl_nlmsg_next(answer, &left)) {
            if (answer->nlmsg_seq != sequence_) continue;
            if (answer->nlmsg_type == NLMSG_DONE) return {};
            if (answer->nlmsg_type == NLMSG_ERROR) {
                const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer));
                if (error->error == 0) return {};
                const auto text = extended_text(answer);
                return fail_errno(-error->error,
                                  text.empty() ? what : fmt::format("{} ({})", what, text));
            }
            each(answer);
            if (!dump && !ends_with_ack) return {};
        }
    }
}

Result<bool> Netlink::wait(int timeout_ms, const std::function<void(const nlmsghdr*)>& each) {
    pollfd ready{fd_.get(), POLLIN, 0};
    const int count = poll(&ready, 1, timeout_ms);
    if (count < 0 && errno != EINTR) return fail_errno(errno, "wait for netlink in " + netns_);
    if (count <= 0) return false;
    alignas(nlmsghdr) std::array<char, kReceiveBuffer> buffer;
    const auto got = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) {
        // ENOBUFS: notifications were lost; the caller looks again by itself.
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return errno == ENOBUFS;
        return fail_errno(errno, "read netlink in " + netns_);
    }
    int left = static_cast<int>(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left))
        each(message);
    return true;
}

}  // namespace ksms
