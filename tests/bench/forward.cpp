// SPDX-License-Identifier: BSD-2-Clause
// What counting costs a packet that a router forwards: with the taps of a scan on both sides, and
// with what else counts. JSON. Needs root; for tests/bench/scans, which makes the lab.
//
//   forward_bench PIN_ROOT CLIENT_NETNS ROUTER_NETNS SOURCE DESTINATION RUNS
//
// Sends the probes of a scan whose taps count, 65,536 of them for each figure, into a device of the
// router that drops what it is given.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "os/netns.hpp"
#include "probe/probe_packet.hpp"
#include "scan/scan.hpp"

namespace {

using namespace ksms;

constexpr std::size_t kPackets = 65536, kBatch = 64;

template <typename T>
T must(Result<T> result) {
    if (result) return std::move(*result);
    fmt::print(stderr, "forward_bench: {}\n", result.error().text());
    std::exit(1);
}
void must(const Status& status) {
    if (status) return;
    fmt::print(stderr, "forward_bench: {}\n", status.error().text());
    std::exit(1);
}

struct Lab {
    PinRoot pins;
    Netns client, router;
    Address source, destination;
};

using Bytes = std::array<std::uint8_t, kMaxProbeSize>;

/// Port n is service n - 1.
std::vector<Bytes> packets_for(const ProbeHeader& header, std::size_t services,
                               std::vector<std::size_t>& sizes) {
    std::vector<Bytes> packets(services);
    for (std::uint32_t i = 0; i < services; ++i)
        sizes.push_back(
            build_probe(header, {IPPROTO_TCP, static_cast<std::uint16_t>(i + 1)}, i, packets[i]));
    return packets;
}

/// Nanoseconds a packet, from one thread.
double send_all(const Lab& lab, const ProbeHeader& header, std::size_t services) {
    std::vector<std::size_t> sizes;
    auto packets = packets_for(header, services, sizes);
    double took = 0;
    must(in_netns(lab.client, [&]() -> Status {
        const Fd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        if (!raw) return fail_errno(errno, "open a raw socket");
        sockaddr_in to{};
        to.sin_family = AF_INET;
        std::copy_n(lab.destination.bytes.begin(), 4, reinterpret_cast<char*>(&to.sin_addr));
        std::vector<iovec> parts(kBatch);
        std::vector<mmsghdr> messages(kBatch);
        const auto begun = monotonic();
        for (std::size_t done = 0; done < kPackets;) {
            for (std::size_t i = 0; i < kBatch; ++i) {
                const auto which = (done + i) % services;
                parts[i] = {packets[which].data(), sizes[which]};
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
                messages[i].msg_hdr.msg_name = &to;
                messages[i].msg_hdr.msg_namelen = sizeof to;
            }
            const int sent = sendmmsg(raw.get(), messages.data(), kBatch, 0);
            if (sent > 0) done += static_cast<std::size_t>(sent);
            if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
                return fail_errno(errno, "send");
        }
        took = static_cast<double>((monotonic() - begun).count()) / kPackets;
        return {};
    }));
    return took;
}

double with_scan(const Lab& lab, std::size_t services) {
    ScanRequest request;
    request.source = lab.source;
    request.destination = lab.destination;
    for (std::size_t port = 1; port <= services; ++port)
        request.services.push_back({IPPROTO_TCP, static_cast<std::uint16_t>(port)});
    double took = 0;
    ScanHooks hooks;
    hooks.armed = [&](const ArmedScan& scan) -> Status {
        took = send_all(lab, scan.header, services);
        return fail(Code::failed, "measured");
    };
    const auto report = run_scan(lab.pins, request, hooks);
    if (took == 0) must(report ? Status{} : std::unexpected(report.error()));
    return took;
}

ProbeHeader plain_header(const Lab& lab) {
    ProbeHeader header;
    header.source = lab.source;
    header.destination = lab.destination;
    header.source_port = 33000;
    header.dscp = header.carried = 40;
    return header;
}

void in_router(const Lab& lab, const std::string& command, const std::string& input) {
    must(in_netns(lab.router, [&]() -> Status {
        FILE* pipe = popen(command.c_str(), "w");
        if (pipe == nullptr) return fail_errno(errno, "start " + command);
        std::fwrite(input.data(), 1, input.size(), pipe);
        return pclose(pipe) == 0 ? Status{} : fail(Code::failed, command + " failed");
    }));
}

double with_rules(const Lab& lab, const std::string& program, const std::string& rules,
                  const std::string& none, std::size_t services) {
    in_router(lab, program, rules);
    const auto took = send_all(lab, plain_header(lab), services);
    in_router(lab, program, none);
    return took;
}

/// A set with a counter for each element: DSCP, protocol and port, as the taps count.
std::string nft_set(std::size_t services) {
    std::string elements;
    for (std::size_t port = 1; port <= services; ++port)
        elements += fmt::format("{}40 . tcp . {}", port == 1 ? "" : ", ", port);
    return fmt::format(
        "table ip c {{\nset s {{\ntype dscp . inet_proto . inet_service\ncounter\nelements = {{ {} "
        "}}\n}}\nchain f {{\ntype filter hook prerouting priority -200\nip dscp . meta l4proto . "
        "th dport @s\n}}\nchain g {{\ntype filter hook postrouting priority 200\nip dscp . meta "
        "l4proto . th dport @s\n}}\n}}\n",
        elements);
}

std::string counting_rules(int count) {
    std::string rules = "*mangle\n";
    for (const auto* chain : {"PREROUTING", "POSTROUTING"})
        for (int port = 1; port <= count; ++port)
            rules += fmt::format("-A {} -p tcp -m dscp --dscp 40 -m tcp --dport {}\n", chain, port);
    return rules + "COMMIT\n";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7) {
        std::fputs("usage: forward_bench PIN_ROOT CLIENT ROUTER SOURCE DESTINATION RUNS\n", stderr);
        return 2;
    }
    const Lab lab{PinRoot{argv[1]}, must(Netns::open(argv[2])), must(Netns::open(argv[3])),
                  *Address::parse(argv[4]), *Address::parse(argv[5])};
    const int runs = std::atoi(argv[6]);
    std::map<std::string, std::vector<double>> times;
    for (int run = 0; run <= runs; ++run) {
        const auto add = [&](const std::string& name, double took) {
            if (run > 0) times[name].push_back(took);  // the first one warms up
        };
        const auto header = plain_header(lab);
        add("nothing", send_all(lab, header, 1));
        for (const std::size_t services : {std::size_t{1}, std::size_t{1000}, std::size_t{65535}}) {
            add(fmt::format("taps of a scan, services {}", services), with_scan(lab, services));
            add(fmt::format("set of nftables with counters, elements {}", services),
                with_rules(lab, "nft -f -", nft_set(services), "table ip c\ndelete table ip c\n",
                           services));
        }
        for (const int rules : {1, 100, 1000})
            for (const std::string program : {"iptables-nft", "iptables-legacy"})
                add(fmt::format("{}, rules {}", program, rules),
                    with_rules(lab, program + "-restore", counting_rules(rules),
                               "*mangle\nCOMMIT\n", 1));
    }
    std::string json;
    for (auto& [name, all] : times) {
        std::ranges::sort(all);
        json +=
            fmt::format("{}\"{}\": {:.0f}", json.empty() ? "" : ", ", name, all[all.size() / 2]);
    }
    fmt::print("{{{}}}\n", json);
}
