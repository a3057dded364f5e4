// SPDX-License-Identifier: BSD-2-Clause
#include "probe/prober.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "base/beside.hpp"
#include "base/clock.hpp"
#include "base/dscp.hpp"
#include "ksms/token.h"
#include "probe/probe_socket.hpp"

namespace ksms {
namespace {

constexpr std::size_t kBatch = 64;
constexpr int kSendBuffer = 4 << 20;
constexpr int kPortAttempts = 64;
constexpr std::chrono::milliseconds kFullPatience{1000};  // not one packet is taken
constexpr std::size_t kManyProbes = 512;
constexpr std::size_t kMostSenders = 4;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size{0};
};

SocketAddress socket_address(const Address& address, std::uint16_t port) {
    SocketAddress result;
    if (address.family == AF_INET) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        std::memcpy(&v4->sin_addr, address.bytes.data(), 4);
        result.size = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        std::memcpy(&v6->sin6_addr, address.bytes.data(), 16);
        result.size = sizeof *v6;
    }
    return result;
}

Status set_option(const Fd& fd, int level, int option, int value, const char* what) {
    if (setsockopt(fd.get(), level, option, &value, sizeof value) == 0) return {};
    return fail_errno(errno, fmt::format("set {} on a probe's socket", what));
}

/// A source address may be one that the namespace does not own (--source-netns names it all the
/// same).
Status allow_any_source(const Fd& fd, int family) {
    if (family == AF_INET) return set_option(fd, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
    return set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND");
}

Status mark(const Fd& fd, const ProbeHeader& header) {
    const int tos = Dscp(header.carried).tos();
    if (header.source.family == AF_INET) return set_option(fd, IPPROTO_IP, IP_TOS, tos, "IP_TOS");
    return set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos, "IPV6_TCLASS");
}

/// raw(7): IPPROTO_RAW implies that we bring the IP header. The kernel routes by the socket's bound
/// address and its tos, so both are set like the packet's own.
Result<Fd> open_raw(const Netns& netns, const ProbeHeader& header) {
    const int family = header.source.family;
    KSMS_TRY(auto fd,
             socket_in(netns, family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
    KSMS_CHECK(allow_any_source(fd, family));
    KSMS_CHECK(mark(fd, header));
    KSMS_CHECK(set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer, "SO_SNDBUFFORCE"));
    const auto source = socket_address(header.source, 0);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&source.storage), source.size) != 0)
        return fail_errno(
            errno, fmt::format("use {} as the source in {}", header.source.text(), netns.name()));
    return fd;
}

/// Binds a socket to the port; false where somebody has it. Probes can be sent from it.
Result<bool> take_port(const Netns& netns, const ProbeHeader& header, int type, Fd& held) {
    KSMS_TRY(auto fd,
             socket_in(netns, header.source.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    KSMS_CHECK(allow_any_source(fd, header.source.family));
    KSMS_CHECK(mark(fd, header));
    KSMS_CHECK(deafen(fd));
    KSMS_CHECK(set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer, "SO_SNDBUFFORCE"));
    const auto address = socket_address(header.source, header.source_port);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0) {
        held = std::move(fd);
        return true;
    }
    if (errno == EADDRINUSE || errno == EACCES) return false;
    return fail_errno(errno,
                      fmt::format("reserve port {} in {}", header.source_port, netns.name()));
}

}  // namespace

Result<std::unique_ptr<Sender>> Prober::open(const Plan& plan, const Network& network,
                                             const std::vector<Service>& services,
                                             const ProbeHeader& header,
                                             const std::function<std::uint16_t()>& next_port) {
    auto prober = std::make_unique<Prober>();
    prober->plan_ = &plan;
    prober->services_ = &services;
    prober->header_ = header;
    // A router that both pass would take the packets of one port for one connection.
    prober->header_.port_step = plan.entries.size() > 1 ? 1 : 0;
    for (const auto& entry : plan.entries) {
        KSMS_TRY(auto raw, open_raw(network.netns(entry.netns.number()), prober->header_));
        Entry added;
        added.raw = std::move(raw);
        added.name = entry.netns.name();
        prober->entries_.push_back(std::move(added));
    }
    KSMS_CHECK(prober->reserve_port(plan, network, next_port));
    return std::unique_ptr<Sender>(std::move(prober));
}

Status Prober::reserve_port(const Plan& plan, const Network& network,
                            const std::function<std::uint16_t()>& next_port) {
    for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
        header_.source_port = next_port();
        bool free = true;
        for (std::size_t i = 0; i < entries_.size() && free; ++i) {
            const auto& netns = network.netns(plan.entries[i].netns.number());
            const auto own = header_of(i);
            KSMS_TRY(free, take_port(netns, own, SOCK_STREAM, entries_[i].tcp));
            if (!free) break;
            KSMS_TRY(free, take_port(netns, own, SOCK_DGRAM, entries_[i].udp));
        }
        if (free) return {};
    }
    return fail(Code::failed, fmt::format("no free source port in {} after {} attempts",
                                          entries_[0].name, kPortAttempts));
}

ProbeHeader Prober::header_of(std::size_t entry) const {
    auto own = header_;
    own.source_port = own.port_of(entry);
    return own;
}

Prober::Way Prober::way(std::uint32_t probe) const {
    if (!plan_->paths[plan_->path_of[probe]].by_socket) return Way::raw;
    const auto& service = service_of(probe);
    return service.protocol == IPPROTO_TCP ? Way::connection : Way::datagram;
}

/// In one batch: from one socket.
bool Prober::together(std::uint32_t one, std::uint32_t other) const {
    return plan_->numbers().entry(one) == plan_->numbers().entry(other) && way(one) == way(other);
}

/// @param probes  at most kBatch, which go together
Status Prober::send_batch(std::span<const std::uint32_t> probes, std::vector<Refused>& refused) {
    const auto how = way(probes[0]);
    if (how != Way::connection) return send_messages(probes, how, refused);
    send_connections(probes, refused);
    return {};
}

void Prober::send_connections(std::span<const std::uint32_t> probes,
                              std::vector<Refused>& refused) {
    const auto& entry = entries_[plan_->numbers().entry(probes[0])];
    const std::lock_guard one_at_a_time(*entry.one_connection);
    for (const auto probe : probes) {
        const auto& service = service_of(probe);
        const auto to = socket_address(header_.destination, service.port);
        const int err = send_syn(entry.tcp, reinterpret_cast<const sockaddr*>(&to.storage), to.size,
                                 probe_token(header_, probe));
        if (err != 0) refused.push_back({probe, err});
    }
}

Status Prober::send_messages(std::span<const std::uint32_t> probes, Way way,
                             std::vector<Refused>& refused) {
    std::array<std::array<std::uint8_t, kMaxProbeSize>, kBatch> packets;
    std::array<SocketAddress, kBatch> destinations;
    std::array<iovec, kBatch> parts;
    std::array<mmsghdr, kBatch> messages{};
    const auto from = plan_->numbers().entry(probes[0]);
    const auto header = header_of(from);
    for (std::size_t i = 0; i < probes.size(); ++i) {
        const auto& service = service_of(probes[i]);
        const auto size = build_probe(header, service, probes[i], packets[i]);
        // The kernel brings the headers of a datagram's socket; a raw one takes no port.
        const auto skipped = way == Way::raw ? 0 : size - KSMS_PAYLOAD_SIZE;
        parts[i] = {packets[i].data() + skipped, size - skipped};
        destinations[i] =
            socket_address(header_.destination, way == Way::raw ? std::uint16_t{0} : service.port);
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &destinations[i].storage;
        messages[i].msg_hdr.msg_namelen = destinations[i].size;
    }
    const auto& entry = entries_[from];
    const int socket = way == Way::raw ? entry.raw.get() : entry.udp.get();
    std::size_t done = 0;
    std::optional<Instant> full_since;
    while (done < probes.size()) {
        const int sent = sendmmsg(socket, messages.data() + done,
                                  static_cast<unsigned>(probes.size() - done), 0);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
            full_since.reset();
            continue;
        }
        const int err = errno;
        if (err == EINTR) continue;
        if (err == EAGAIN || err == EWOULDBLOCK || err == ENOBUFS) {
            if (!full_since) full_since = monotonic();
            // Where memory or the interface's queue ran out, the socket is writable all the same.
            pollfd wait{err == ENOBUFS ? -1 : socket, POLLOUT, 0};
            poll(&wait, 1, err == ENOBUFS ? 1 : in_ms(kFullPatience));
            if (monotonic() - *full_since >= kFullPatience)
                return fail_errno(err, fmt::format("send probes from {}", entry.name),
                                  "the interface does not take packets; is it up?");
            continue;
        }
        if (err == EBADF || err == ENOTSOCK || err == ENOMEM)
            return fail_errno(err, fmt::format("send probes from {}", entry.name));
        refused.push_back({probes[done], err});
        ++done;
    }
    return {};
}

Result<std::vector<Prober::Refused>> Prober::send_part(
    std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
    const std::function<bool(std::size_t done)>& stop) {
    std::vector<Refused> refused;
    const auto begun = pace_.begin(rate_pps, stop);
    const std::size_t largest =
        rate_pps == 0 ? kBatch : std::min<std::uint64_t>(kBatch, 1 + rate_pps / 1000);
    std::size_t done = 0;
    while (done < probes.size() && !stop(done)) {
        std::size_t count = 1;
        while (count < largest && done + count < probes.size() &&
               together(probes[done], probes[done + count]))
            ++count;
        KSMS_CHECK(send_batch(probes.subspan(done, count), refused));
        done += count;
        pace_.keep(begun, done, probes.size(), rate_pps, stop);
    }
    for (std::size_t i = done; i < probes.size(); ++i) refused.push_back({probes[i], EINTR});
    return refused;
}

/// A burst through veth is forwarded by the CPU that sends it, router after router: several send.
Result<std::vector<Prober::Refused>> Prober::send(
    std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
    const std::function<bool(std::size_t done)>& stop) {
    const std::size_t senders =
        std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMostSenders);
    if (rate_pps != 0 || senders == 1 || probes.size() < kManyProbes)
        return send_part(probes, rate_pps, stop);
    const auto share = probes.size() / senders;
    std::atomic<bool> ended{false};
    std::atomic<std::size_t> by_others{0};
    std::vector<std::future<Result<std::vector<Refused>>>> others;
    for (std::size_t i = 1; i < senders; ++i) {
        const auto part = probes.subspan(i * share, i + 1 == senders ? std::dynamic_extent : share);
        others.push_back(beside([this, part, &ended, &by_others] {
            return send_part(part, 0,
                             [&ended, &by_others, told = std::size_t{0}](auto done) mutable {
                                 by_others += done - std::exchange(told, done);
                                 return ended.load();
                             });
        }));
    }
    auto refused = send_part(probes.first(share), 0, [&](std::size_t done) {
        if (stop(done + by_others)) ended = true;
        return ended.load();
    });
    if (!refused) ended = true;
    for (auto& other : others) {
        auto more = other.get();
        if (!more) return more;
        if (refused) refused->insert(refused->end(), more->begin(), more->end());
    }
    return refused;
}

}  // namespace ksms
