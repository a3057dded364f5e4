// SPDX-License-Identifier: BSD-2-Clause
#include "probe/injector.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "bpf/attach.hpp"
#include "os/netns.hpp"

namespace ksms {
namespace {

static_assert(kMaxProbeSize == KSMS_INJECTION_BYTES);
constexpr std::size_t kFrame = ETH_HLEN + KSMS_INJECTION_BYTES;

ksms_injected_packet injected(const ProbeHeader& header, std::uint8_t protocol, std::uint8_t ttl) {
    const auto whole = build_template(header, protocol, ttl);
    ksms_injected_packet result{};
    std::ranges::copy(whole.bytes, result.bytes);
    result.size = static_cast<std::uint32_t>(whole.size);
    result.sum = whole.sum;
    return result;
}

/// An interface without an Ethernet header has an address of zeros, and takes only what is sent to
/// that (eth_type_trans()).
void write_ethernet(const PlanInjection& at, int family, ksms_injection& into) {
    const std::uint16_t type = htons(family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
    std::ranges::copy(at.mac, into.ethernet);
    std::ranges::copy(at.from, into.ethernet + ETH_ALEN);
    into.ethernet[12] = static_cast<std::uint8_t>(type);
    into.ethernet[13] = static_cast<std::uint8_t>(type >> 8);
}

/// How many of the first probes have numbers that follow each other.
std::size_t consecutive(std::span<const std::uint32_t> probes) {
    const auto gap = std::ranges::adjacent_find(
        probes, [](std::uint32_t one, std::uint32_t next) { return next != one + 1; });
    return gap == probes.end() ? probes.size() : static_cast<std::size_t>(gap - probes.begin()) + 1;
}

/// What the calling thread injects: the program finds it by the thread.
class Begun {
public:
    static Result<Begun> open(const Objects& objects) {
        std::uint64_t nothing = 0;
        KSMS_TRY(const auto thread,
                 call_program(objects.program(Program::thread_id), &nothing, sizeof nothing));
        return Begun(objects, thread);
    }
    Begun(Begun&& other) noexcept
        : objects_(other.objects_), thread_(std::exchange(other.thread_, 0)) {}
    Begun& operator=(Begun&&) = delete;
    ~Begun() {
        if (thread_ != 0) (void)objects_.injections.erase(thread_);
    }
    /// A signal ends a run, also SIGCONT: the program knows how far it has come.
    Status run(const ksms_injection& what, std::uint32_t ifindex) const {
        static constexpr std::array<std::uint8_t, kFrame> frame{};
        KSMS_CHECK(objects_.injections.update(thread_, what));
        for (std::uint32_t done = 0; done < what.count;) {
            auto ran =
                run_live(objects_.program(Program::inject), ifindex, frame, what.count - done);
            if (ran || ran.error().err != EINTR) return ran;
            KSMS_TRY(const auto reached, objects_.injections.lookup(thread_));
            done = reached ? reached->next : what.count;
        }
        return {};
    }

private:
    Begun(const Objects& objects, std::uint32_t thread) : objects_(objects), thread_(thread) {}
    const Objects& objects_;
    std::uint32_t thread_;
};

}  // namespace

Injector::Injector(const Objects& objects, const Plan& plan, const Network& network,
                   const ProbeHeader& header)
    : objects_(objects), plan_(plan), network_(network), header_(header) {
    // A router that an earlier one's probes pass has not seen its own before.
    header_.port_step = 1;
    for (std::size_t i = 0; i < plan.entries.size(); ++i) {
        const auto& entry = plan.entries[i];
        auto own = header;
        own.source_port = header_.port_of(i);
        ksms_injection what{};
        what.dscp = header.dscp;
        what.tcp = injected(own, IPPROTO_TCP, entry.injection->ttl);
        what.udp = injected(own, IPPROTO_UDP, entry.injection->ttl);
        what.sent = entry.injection->peer ? 1 : 0;
        write_ethernet(*entry.injection, header.source.family, what);
        templates_.push_back(what);
    }
}

/// @param probes  of this entry
Status Injector::inject(std::size_t entry, std::span<const std::uint32_t> probes) {
    const auto& at = plan_.entries[entry];
    const auto& peer = at.injection->peer;
    const auto ifindex = peer ? peer->ifindex : at.injection->interface.ifindex;
    return in_netns(network_.netns((peer ? peer->netns : at.netns).number()), [&]() -> Status {
        KSMS_TRY(const auto injection, Begun::open(objects_));
        while (!probes.empty()) {
            auto what = templates_[entry];
            // Each run changes the dispatcher of all XDP programs (bpf_prog_change_xdp()), which
            // waits for all processors.
            const auto row = consecutive(probes);
            const auto listed = std::min<std::size_t>(probes.size(), KSMS_INJECTION_PROBES);
            what.consecutive = row > listed ? 1 : 0;
            what.count = static_cast<std::uint32_t>(std::max(row, listed));
            std::copy_n(probes.begin(), what.consecutive != 0 ? 1 : listed, what.probes);
            KSMS_CHECK(injection.run(what, ifindex));
            probes = probes.subspan(what.count);
        }
        return {};
    });
}

Result<std::vector<Sender::Refused>> Injector::send(
    std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
    const std::function<bool(std::size_t done)>& stop) {
    // Several batches in one visit of a namespace, but not so many that nobody could stop it.
    const std::size_t most = rate_pps == 0 ? 8192 : 1 + rate_pps / 1000;
    const auto numbers = plan_.numbers();
    const auto begun = pace_.begin(rate_pps, stop);
    std::size_t done = 0;
    while (done < probes.size() && !stop(done)) {
        const auto entry = numbers.entry(probes[done]);
        std::size_t count = 1;
        while (count < most && done + count < probes.size() &&
               numbers.entry(probes[done + count]) == entry)
            ++count;
        KSMS_CHECK(inject(entry, probes.subspan(done, count)));
        done += count;
        pace_.keep(begun, done, probes.size(), rate_pps, stop);
    }
    std::vector<Refused> refused;
    for (std::size_t i = done; i < probes.size(); ++i) refused.push_back({probes[i], EINTR});
    return refused;
}

}  // namespace ksms
