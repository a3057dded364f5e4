// SPDX-License-Identifier: BSD-2-Clause
#include "os/netlink.hpp"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/clock.hpp"
#include "os/exchange.hpp"
#include "os/message.hpp"

namespace ksms {
namespace {

// The kernel sends at most 32 KiB of a dump at once. A single message can be larger: an interface
// with the maximum of alternative names (64 KiB, rtnl_prop_list_size).
constexpr std::size_t kReceiveBuffer = 128 * 1024;
/// Time limit of a request, long enough to dump the largest tables.
constexpr std::chrono::seconds kPatience{10};
/// Attempts to read a list that changes meanwhile.
constexpr int kMostReadings = 8;
constexpr int kMostLost = 100;  // consecutive ENOBUFS without a message

int enable(int fd, int option) {
    const int on = 1;
    return setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

/// The first sequence number, unpredictable.
std::uint32_t any_number() {
    std::uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = static_cast<std::uint32_t>(in_ns(monotonic()));
    return number;
}

std::unexpected<Error> refused(const nlmsghdr* message, const std::string& what) {
    const auto text = error_text(message);
    return fail_errno(error_of(message), text.empty() ? what : fmt::format("{} ({})", what, text));
}

/// Passes messages with data to `each`.
Exchange::Each data_of(const std::string& what, const Netlink::Each& each) {
    return [&](std::size_t, const nlmsghdr* message) -> Status {
        if (error_of(message) != 0) return refused(message, what);
        if (!is_control(message)) each(message);
        return {};
    };
}

}  // namespace

Result<Netlink> Netlink::open(const Netns& netns, std::uint32_t groups) {
    return open(netns, groups, NETLINK_ROUTE);
}

Result<Netlink> Netlink::open_netfilter(const Netns& netns) {
    return open(netns, 0, NETLINK_NETFILTER);
}

Result<Netlink> Netlink::open_xfrm(const Netns& netns) {
    return open(netns, 0, NETLINK_XFRM);
}

Result<Netlink> Netlink::open(const Netns& netns, std::uint32_t groups, int protocol) {
    Netlink netlink;
    netlink.netns_ = netns.name();
    netlink.sequence_ = any_number();
    KSMS_TRY(netlink.fd_, socket_in(netns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    const int fd = netlink.fd_.get();
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, fmt::format("open netlink in {}", netns.name()));
    // Connects to the kernel. Messages of other processes, even of the namespace's owner, are then
    // refused (ECONNREFUSED, netlink_getsockbyportid()) and cannot fill the receive buffer.
    address.nl_groups = 0;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, fmt::format("connect netlink in {}", netns.name()));
    enable(fd, NETLINK_EXT_ACK);
    enable(fd, NETLINK_CAP_ACK);
    enable(fd, NETLINK_GET_STRICT_CHK);
    return netlink;
}

Status Netlink::listen(int group, int room) {
    if (setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        return fail_errno(errno, "listen to netlink in " + netns_);
    make_room(room);
    return {};
}

void Netlink::make_room(int bytes) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
}

Status Netlink::send(std::span<const char> requests, const std::string& what) {
    if (::send(fd_.get(), requests.data(), requests.size(), 0) < 0) return fail_errno(errno, what);
    return {};
}

/// Receives a datagram of the kernel. Drops others: the owner of the namespace can send to a
/// multicast group that we are in.
Result<Netlink::Heard> Netlink::receive(Instant deadline, const std::string& what,
                                        const Datagram& take) {
    alignas(nlmsghdr) std::array<char, kReceiveBuffer> buffer;
    while (true) {
        sockaddr_nl sender{};
        iovec piece{buffer.data(), buffer.size()};
        msghdr datagram{};
        datagram.msg_name = &sender;
        datagram.msg_namelen = sizeof sender;
        datagram.msg_iov = &piece;
        datagram.msg_iovlen = 1;
        const auto got = recvmsg(fd_.get(), &datagram, MSG_DONTWAIT);
        if (got >= 0) {
            if (datagram.msg_namelen != sizeof sender || sender.nl_pid != 0)
                return Heard::something;
            if ((datagram.msg_flags & MSG_TRUNC) != 0) return fail_errno(EMSGSIZE, what);
            KSMS_CHECK(take({buffer.data(), static_cast<std::size_t>(got)}));
            return Heard::something;
        }
        if (errno == ENOBUFS) return Heard::lost;
        if (errno != EAGAIN && errno != EINTR) return fail_errno(errno, what);
        const auto now = monotonic();
        if (now >= deadline) return Heard::nothing;
        pollfd ready{fd_.get(), POLLIN, 0};
        if (poll(&ready, 1, poll_time(deadline - now)) < 0 && errno != EINTR)
            return fail_errno(errno, what);
    }
}

Result<bool> Netlink::converse(std::span<const char> requests, Exchange& exchange, bool dump,
                               Instant deadline, const std::string& what) {
    KSMS_CHECK(send(requests, what));
    bool whole = true;
    int lost = 0;
    while (!exchange.over()) {
        KSMS_TRY(const auto heard, receive(deadline, what, [&](std::span<const char> datagram) {
                     return exchange.take(datagram);
                 }));
        if (exchange.over()) break;
        if (heard == Heard::nothing || monotonic() >= deadline) return fail_errno(ETIMEDOUT, what);
        if (heard == Heard::something) {
            lost = 0;
            continue;
        }
        // The dump continues and has to be read to its end before the next request.
        if (!dump) return false;
        if (++lost == kMostLost) return fail_errno(ENOBUFS, what);
        whole = false;
    }
    return whole && !exchange.interrupted();
}

Status Netlink::ask(Message& message, bool dump, const std::string& what,
                    const std::function<void()>& begin, const Each& each) {
    if (!message.whole()) return fail_errno(EMSGSIZE, what);
    const bool acknowledged = !dump && (message.header()->nlmsg_flags & NLM_F_ACK) != 0;
    const auto ends =
        dump || acknowledged ? Exchange::Ends::acknowledgement : Exchange::Ends::reply;
    const auto deadline = monotonic() + kPatience;
    for (int reading = 0; reading < kMostReadings; ++reading) {
        begin();
        message.header()->nlmsg_seq = ++sequence_;
        Exchange exchange(sequence_, 1, ends, data_of(what, each));
        KSMS_TRY(const bool whole, converse(message.bytes(), exchange, dump, deadline, what));
        if (whole) return {};
        // A request that changes something is not repeated.
        if (acknowledged) return fail_errno(ENOBUFS, what);
    }
    return fail(
        Code::failed,
        fmt::format("{}: it changed each of the {} times that it was read", what, kMostReadings),
        "run it again when nobody changes it");
}

Status Netlink::request(Message& message, const std::string& what) {
    message.header()->nlmsg_flags |= NLM_F_ACK;
    return ask(message, false, what, [] {}, [](const nlmsghdr*) {});
}

Status Netlink::query(Message& message, const std::string& what, const Each& each) {
    return ask(message, false, what, [] {}, each);
}

Status Netlink::dump(Message& message, const std::string& what, const std::function<void()>& begin,
                     const Each& each) {
    message.header()->nlmsg_flags |= NLM_F_DUMP;
    return ask(message, true, what, begin, each);
}

Status Netlink::exchange(Batch& batch, std::size_t last, const std::string& what,
                         const EachOf& each) {
    if (!batch.whole()) return fail_errno(EMSGSIZE, what);
    const auto first = sequence_ + 1;
    for (std::size_t i = 0; i < batch.size(); ++i) batch.at(i)->nlmsg_seq = ++sequence_;
    Exchange exchange(first, last + 1, Exchange::Ends::reply, each);
    KSMS_TRY(const bool whole,
             converse(batch.bytes(), exchange, false, monotonic() + kPatience, what));
    if (!whole) return fail_errno(ENOBUFS, what);
    return {};
}

Result<Netlink::Heard> Netlink::wait(nanoseconds timeout, const Each& each) {
    const auto deadline = monotonic() + timeout;
    return receive(deadline, "read netlink in " + netns_, [&](std::span<const char> datagram) {
        int left = static_cast<int>(datagram.size());
        for (const auto* at = reinterpret_cast<const nlmsghdr*>(datagram.data());
             is_whole(at, left); at = mnl_nlmsg_next(at, &left))
            each(at);
        return Status{};
    });
}

}  // namespace ksms
