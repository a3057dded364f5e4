// SPDX-License-Identifier: BSD-2-Clause
#include "lab/packet_queue.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <stdexcept>

#include "lab/process.hpp"

namespace ksms::lab {
namespace {

using Clock = std::chrono::steady_clock;

/// A message of nfnetlink_queue with one attribute.
template <typename Value>
void tell_queue(int fd, std::uint16_t type, std::uint16_t queue, std::uint16_t attribute,
                const Value& value) {
    struct {
        nlmsghdr header;
        nfgenmsg queue;
        nlattr attribute;
        std::array<char, NLA_ALIGN(sizeof(Value))> value;
    } message{};
    message.header = {sizeof message, static_cast<std::uint16_t>(NFNL_SUBSYS_QUEUE << 8 | type),
                      NLM_F_REQUEST, 0, 0};
    message.queue = {AF_UNSPEC, NFNETLINK_V0, htons(queue)};
    message.attribute = {static_cast<std::uint16_t>(NLA_HDRLEN + sizeof value), attribute};
    std::memcpy(message.value.data(), &value, sizeof value);
    if (::send(fd, &message, sizeof message, 0) < 0) throw std::runtime_error("nfnetlink_queue");
}

/// The ids of the packets in what was received.
std::vector<std::uint32_t> ids_in(const char* data, std::size_t size) {
    std::vector<std::uint32_t> ids;
    const auto* message = reinterpret_cast<const nlmsghdr*>(data);
    for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
        if (message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) continue;
        const char* at = reinterpret_cast<const char*>(message) + NLMSG_LENGTH(sizeof(nfgenmsg));
        const char* end = reinterpret_cast<const char*>(message) + message->nlmsg_len;
        while (at + NLA_HDRLEN <= end) {
            const auto* attribute = reinterpret_cast<const nlattr*>(at);
            if ((attribute->nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
                nfqnl_msg_packet_hdr packet;
                std::memcpy(&packet, at + NLA_HDRLEN, sizeof packet);
                ids.push_back(packet.packet_id);
            }
            at += NLA_ALIGN(std::max<std::size_t>(attribute->nla_len, NLA_HDRLEN));
        }
    }
    return ids;
}

void decide(int fd, int stop, std::uint16_t queue, milliseconds waits, bool accept) {
    struct Waiting {
        std::uint32_t id;
        Clock::time_point until;
    };
    std::deque<Waiting> all;
    std::array<char, 65536> buffer{};
    while (true) {
        const auto now = Clock::now();
        for (; !all.empty() && all.front().until <= now; all.pop_front())
            tell_queue(fd, NFQNL_MSG_VERDICT, queue, NFQA_VERDICT_HDR,
                       nfqnl_msg_verdict_hdr{
                           htonl(static_cast<std::uint32_t>(accept ? NF_ACCEPT : NF_DROP)),
                           all.front().id});
        std::array<pollfd, 2> both{pollfd{fd, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
        const auto rest = all.empty()
                              ? milliseconds{1000}
                              : std::chrono::ceil<milliseconds>(all.front().until - Clock::now());
        ::poll(both.data(), both.size(), std::max(0, static_cast<int>(rest.count())));
        if (both[1].revents != 0) return;
        if (both[0].revents == 0) continue;
        const auto got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        for (const auto id :
             ids_in(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))))
            all.push_back({id, Clock::now() + waits});
    }
}

}  // namespace

PacketQueue::PacketQueue(const std::string& netns, std::uint16_t queue, milliseconds waits,
                         bool accept) {
    inside(netns, [&] {
        socket_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
        tell_queue(socket_.get(), NFQNL_MSG_CONFIG, queue, NFQA_CFG_CMD,
                   nfqnl_msg_config_cmd{NFQNL_CFG_CMD_BIND, 0, htons(AF_UNSPEC)});
        tell_queue(socket_.get(), NFQNL_MSG_CONFIG, queue, NFQA_CFG_PARAMS,
                   nfqnl_msg_config_params{htonl(0), NFQNL_COPY_META});
    });
    work_ = std::make_unique<Background>([fd = socket_.get(), queue, waits, accept](int stop) {
        decide(fd, stop, queue, waits, accept);
    });
}

}  // namespace ksms::lab
