// SPDX-License-Identifier: BSD-2-Clause
#include "fuzz_truth.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <list>
#include <set>
#include <stdexcept>

#include "fuzz_packet.hpp"
#include "lab/process.hpp"
#include "lab/wait.hpp"

namespace ksms::fuzz {
namespace {

constexpr int kSourcePort = 10007;  // scans take theirs from far above
constexpr std::uint32_t kSentinel = 0xff00;

Fd open_socket(int family, int type, int protocol) {
    Fd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!fd) throw std::runtime_error(fmt::format("socket: {}", std::strerror(errno)));
    const int bytes = 4 << 20;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    return fd;
}

/// What comes into a namespace and goes out of it. Copies that go elsewhere pass by.
class Sniffer {
public:
    struct Seen {
        PlainPacket packet;
        bool out;
    };

    /// @param in, out  interfaces; {}, "": every one
    explicit Sniffer(const std::string& netns, const std::vector<std::string>& in = {},
                     const std::string& out = {}) {
        lab::inside(netns, [&] {
            fd_ = open_socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
            for (const auto& name : in)
                in_.insert(static_cast<int>(::if_nametoindex(name.c_str())));
            if (!out.empty()) out_ = static_cast<int>(::if_nametoindex(out.c_str()));
        });
    }

    const std::vector<Seen>& seen() {
        std::array<std::uint8_t, 2048> buffer{};
        while (true) {
            sockaddr_ll from{};
            socklen_t size = sizeof from;
            const auto got = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
            if (got <= 0) return seen_;
            const bool came = from.sll_pkttype == PACKET_HOST,
                       left = from.sll_pkttype == PACKET_OUTGOING;
            const bool ours = (came && (in_.empty() || in_.contains(from.sll_ifindex))) ||
                              (left && (out_ == 0 || out_ == from.sll_ifindex));
            const auto packet =
                ours ? read_packet(std::span(buffer.data(), static_cast<std::size_t>(got)))
                     : std::nullopt;
            if (packet) seen_.push_back({*packet, from.sll_pkttype == PACKET_OUTGOING});
        }
    }

    /// The last one that came in before it left; the first one that left.
    Sight sight(std::uint32_t number, bool out) {
        Sight result;
        for (const Seen& one : seen()) {
            if (one.packet.number != number) continue;
            if (one.out == out)
                result = {true,
                          one.packet.dscp,
                          one.packet.source,
                          one.packet.destination,
                          one.packet.source_port,
                          one.packet.port};
            // What comes behind it is an echo on its way back.
            if (one.out) break;
        }
        return result;
    }

private:
    Fd fd_;
    std::set<int> in_;
    int out_{0};
    std::vector<Seen> seen_;
};

/// What was delivered to the namespace itself: a raw socket gets a copy behind INPUT (raw(7)).
class Delivered {
public:
    Delivered(const std::string& netns, int family) : family_(family) {
        lab::inside(netns, [&] {
            for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP})
                sockets_.push_back(
                    {protocol, open_socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW, protocol)});
        });
    }

    bool has(std::uint32_t number) {
        std::array<std::uint8_t, 2048> buffer{};
        for (const auto& [protocol, fd] : sockets_)
            for (ssize_t got = 0; (got = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
                auto bytes =
                    std::span<const std::uint8_t>(buffer.data(), static_cast<std::size_t>(got));
                if (family_ == 4) bytes = bytes.subspan((buffer[0] & 15U) * 4U);
                if (const auto found = read_number(protocol, bytes)) numbers_.push_back(*found);
            }
        return std::ranges::find(numbers_, number) != numbers_.end();
    }

private:
    int family_;
    std::vector<std::pair<int, Fd>> sockets_;
    std::vector<std::uint32_t> numbers_;
};

/// Packets of one sender stay in order only as long as one processor forwards them.
class OneProcessor {
public:
    OneProcessor() {
        ::sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
        ::sched_setaffinity(0, sizeof one, &one);
    }
    OneProcessor(const OneProcessor&) = delete;
    OneProcessor& operator=(const OneProcessor&) = delete;
    ~OneProcessor() { ::sched_setaffinity(0, sizeof before_, &before_); }

private:
    cpu_set_t before_{};
};

void send(const lab::Lab& lab, const std::string& node, const PlainPacket& packet) {
    const auto bytes = bytes_of(packet);
    lab::inside(lab.netns(node), [&] {
        const Fd fd = open_socket(packet.family == 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
        sockaddr_in four{};
        four.sin_family = AF_INET;
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        ::inet_pton(AF_INET, packet.destination.c_str(), &four.sin_addr);
        ::inet_pton(AF_INET6, packet.destination.c_str(), &six.sin6_addr);
        const auto* to = packet.family == 4 ? reinterpret_cast<const sockaddr*>(&four)
                                            : reinterpret_cast<const sockaddr*>(&six);
        const socklen_t size = packet.family == 4 ? sizeof four : sizeof six;
        if (::sendto(fd.get(), bytes.data(), bytes.size(), 0, to, size) < 0)
            throw std::runtime_error(fmt::format("send: {}", std::strerror(errno)));
    });
}

/// To a router by the link it is on, past the firewalls of whoever else is on it.
void send_from_link(const lab::Lab& lab, int number, const PlainPacket& packet) {
    sockaddr_ll next{};
    next.sll_family = AF_PACKET;
    next.sll_protocol = htons(packet.family == 4 ? ETH_P_IP : ETH_P_IPV6);
    next.sll_halen = ETH_ALEN;
    lab::inside(lab.netns(router(number)), [&] {
        const Fd fd = open_socket(AF_INET, SOCK_DGRAM, 0);
        ifreq asked{};
        std::strcpy(asked.ifr_name, "eth0");
        if (::ioctl(fd.get(), SIOCGIFHWADDR, &asked) != 0)
            throw std::runtime_error(fmt::format("{} eth0: {}", number, std::strerror(errno)));
        std::memcpy(next.sll_addr, asked.ifr_hwaddr.sa_data, ETH_ALEN);
    });
    const auto bytes = bytes_of(packet);
    lab::inside(lab.netns(segment(number)), [&] {
        const Fd fd = open_socket(AF_PACKET, SOCK_DGRAM, 0);
        next.sll_ifindex = static_cast<int>(::if_nametoindex("br0"));
        if (::sendto(fd.get(), bytes.data(), bytes.size(), 0,
                     reinterpret_cast<const sockaddr*>(&next), sizeof next) < 0)
            throw std::runtime_error(fmt::format("send: {}", std::strerror(errno)));
    });
}

class Observation {
public:
    Observation(const lab::Lab& lab, const Network& network, int family, const Entry& entry)
        : lab_(lab), network_(network), family_(family), entry_(entry), dst_(lab.netns("dst")) {
        for (int number = 1; number <= network.routers; ++number) {
            const auto& beside = network.elements[static_cast<std::size_t>(number)];
            std::vector<std::string> in{beside.contains(Element::bridge) ? "port0" : "eth0"};
            if (network.second == number) in.emplace_back("eth2");
            sniffers_.emplace_back(lab.netns(router(number)), in,
                                   beside.contains(Element::macvlan) ? "low1" : "eth1");
            delivered_.emplace_back(lab.netns(router(number)), family);
        }
    }

    Truth run(Mode mode) {
        const OneProcessor in_order;
        const int last = network_.routers + 1;
        // Whoever is next is resolved before, so that no packet waits and is overtaken.
        all_arrive();
        for (const int host : {2, 3, kSentinelHost})
            if (!is_trapped(host))
                sentinel(router(last - 1), lab_.address(family_, last, 1),
                         lab_.address(family_, last, host));
        send_all(mode);
        all_arrive();
        return collect(mode);
    }

private:
    void all_arrive() {
        const int last = network_.routers + 1;
        sentinel(entry_.node, source(lab_, family_), lab_.address(family_, last, kSentinelHost));
    }

    /// Each service meets a clean state.
    void send_all(Mode mode) {
        for (std::size_t i = 0; i < network_.services.size(); ++i) {
            if (mode == Mode::path) send(lab_, entry_.node, packet(0, i));
            for (int at = entry_.router; mode == Mode::isolated && at <= network_.routers; ++at)
                if (at == network_.second && entry_.router == at)
                    send(lab_, entry_.node, packet(at, i));
                else
                    send_from_link(lab_, at, packet(at, i));
            if (!may_set_off_traps(network_, i)) continue;
            all_arrive();
            forget_sources(lab_, network_);
        }
    }

    /// Another one for each entry.
    [[nodiscard]] std::uint32_t number(int into, std::size_t service) const {
        const auto from = entry_.node == "src" ? 0U : 0x80U;
        return (from | static_cast<std::uint32_t>(into)) << 8U |
               static_cast<std::uint32_t>(service);
    }

    /// @param into  the router that it is sent to; each has connections of its own
    [[nodiscard]] PlainPacket packet(int into, std::size_t i) const {
        const Service& service = network_.services[i];
        return {.family = family_,
                .protocol = service.protocol,
                .source = source(lab_, family_),
                .destination = destination(lab_, network_, family_),
                .source_port = kSourcePort + into + (entry_.node == "src" ? 0 : 100),
                .port = service.port,
                .dscp = network_.as_dscp,
                .number = number(into, i)};
    }

    /// The last router has no route to it.
    [[nodiscard]] bool is_trapped(int host) const {
        const Trap& trap = network_.traps.back();
        return host == 2 && network_.goal == Goal::host && !trap.kind.empty() &&
               trap.selector.empty();
    }

    /// Every firewall lets it through; what was sent before it has arrived by then, or never will.
    void sentinel(const std::string& node, const std::string& from, const std::string& to) {
        const std::uint32_t number = kSentinel + sentinels_++;
        send(lab_, node,
             {.family = family_,
              .protocol = "udp",
              .source = from,
              .destination = to,
              .source_port = kSourcePort,
              .port = kSentinelPort,
              .number = number});
        if (!lab::eventually([&] { return dst_.sight(number, false).there; }))
            throw std::runtime_error(
                fmt::format("{} does not reach {} over IPv{}", node, to, family_));
    }

    Truth collect(Mode mode) {
        Truth truth;
        for (std::size_t i = 0; i < network_.services.size(); ++i) {
            auto& routers = truth.services.emplace_back(1);
            auto delivered = delivered_.begin();
            std::uint32_t wanted = number(0, i);
            bool reached = dst_.sight(wanted, false).there;
            std::vector<std::uint32_t> given;  // to routers that no earlier one came to
            Sniffer* before = nullptr;
            for (Sniffer& sniffer : sniffers_) {
                bool unknown = false;
                if (mode == Mode::isolated) {
                    wanted = number(static_cast<int>(routers.size()), i);
                    const auto came = std::ranges::find_if(given, [&](std::uint32_t each) {
                        return sniffer.sight(each, false).there;
                    });
                    unknown = came == given.end() && std::ranges::any_of(given, [&](auto each) {
                                  return changed(each) || before->sight(each, true).there;
                              });
                    if (came != given.end())
                        wanted = *came;
                    else
                        given.push_back(wanted);
                }
                reached |= !unknown && dst_.sight(wanted, false).there;
                routers.push_back({sniffer.sight(wanted, false), sniffer.sight(wanted, true),
                                   (delivered++)->has(wanted), unknown});
                before = &sniffer;
            }
            truth.reached.push_back(reached);
        }
        return truth;
    }

    /// Some router has let it out as another packet than it came in.
    bool changed(std::uint32_t wanted) {
        return std::ranges::any_of(sniffers_, [&](Sniffer& sniffer) {
            const auto in = sniffer.sight(wanted, false), out = sniffer.sight(wanted, true);
            return out.there && !(in == out);
        });
    }

    const lab::Lab& lab_;
    const Network& network_;
    int family_;
    const Entry& entry_;
    Sniffer dst_;
    std::list<Sniffer> sniffers_;
    std::list<Delivered> delivered_;
    std::uint32_t sentinels_{0};
};

/// A neighbour for an address that nobody has, while the packets are on their way.
class Neighbour {
public:
    Neighbour(const lab::Lab& lab, const Network& network, int family)
        : lab_(lab), node_(router(network.routers)) {
        if (network.goal != Goal::nobody) return;
        address_ = destination(lab, network, family);
        change("replace " + address_ + " lladdr 02:00:00:00:ff:01 nud permanent dev eth1");
    }
    Neighbour(const Neighbour&) = delete;
    Neighbour& operator=(const Neighbour&) = delete;
    ~Neighbour() {
        if (!address_.empty()) change("del " + address_ + " dev eth1");
    }

private:
    void change(const std::string& how) const {
        std::string command = "ip neigh " + how;
        lab_.in(node_, {"sh", "-c", command});
    }
    const lab::Lab& lab_;
    std::string node_, address_;
};

}  // namespace

Truth observe(const lab::Lab& lab, const Network& network, int family, Mode mode,
              const Entry& entry) {
    const Neighbour neighbour(lab, network, family);
    return Observation(lab, network, family, entry).run(mode);
}

}  // namespace ksms::fuzz
