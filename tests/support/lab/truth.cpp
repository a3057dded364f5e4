// SPDX-License-Identifier: BSD-2-Clause
#include "lab/truth.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "lab/capture.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {
namespace {

constexpr int kBefore = 33434, kAfter = 33435;

[[noreturn]] void not_given(std::string_view what, const std::string& why) {
    std::fputs(fmt::format("the lab does not show its case: {}{}\n", what, why).c_str(), stderr);
    std::fflush(nullptr);
    std::_Exit(70);  // the janitor sees it, and removes the lab
}

}  // namespace

bool is_linux(int major, int minor) {
    utsname name{};
    ::uname(&name);
    int has_major = 0, has_minor = 0;
    if (std::sscanf(name.release, "%d.%d", &has_major, &has_minor) != 2) return false;
    return std::pair(has_major, has_minor) >= std::pair(major, minor);
}

void given(std::string_view what, const std::function<bool()>& holds) {
    try {
        if (holds()) return;
    } catch (const std::exception& error) {
        not_given(what, fmt::format(": {}", error.what()));
    }
    not_given(what, "");
}

const std::vector<Asked>& by_every_tap() {
    static const std::vector<Asked> all = [] {
        std::vector<Asked> ways{{"clsact", {}, {{"KSMS_ATTACH", "clsact"}}}};
        if (is_linux(6, 6)) ways.push_back({"TCX", {}, {{"KSMS_ATTACH", "tcx"}}});
        if (is_linux(6, 2)) ways.push_back({"XDP", {"--tap", "xdp"}});
        if (is_linux(6, 4)) ways.push_back({"netfilter", {"--tap", "netfilter"}});
        return ways;
    }();
    return all;
}

const Asked& by_clsact() {
    return by_every_tap().front();
}

const Asked& in_isolated_mode() {
    static const Asked isolated{"isolated", {"--mode", "isolated"}};
    return isolated;
}

const std::vector<Asked>& in_every_way() {
    static const std::vector<Asked> all = [] {
        auto ways = by_every_tap();
        ways.push_back(in_isolated_mode());
        return ways;
    }();
    return all;
}

std::vector<Asked> only(std::initializer_list<std::string_view> names) {
    std::vector<Asked> found;
    for (const auto& each : in_every_way())
        if (std::ranges::find(names, each.name) != names.end()) found.push_back(each);
    if (found.empty())
        std::puts(fmt::format("SKIP: this kernel has no {}", fmt::join(names, " and no ")).c_str());
    return found;
}

Scan ask(const Lab& lab, const std::string& source, const std::string& destination,
         const std::string& ports, const Asked& asked, std::vector<std::string> more) {
    more.insert(more.end(), asked.options.begin(), asked.options.end());
    return scan(lab, source, destination, ports, more, asked.environment);
}

void build_two(Lab& lab) {
    lab.host("src");
    lab.router("r1");
    lab.router("r2");
    lab.host("dst");
    lab.link({"src", "eth1", 1}, {"r1", "eth0", 2}, 1);
    lab.link({"r1", "eth1", 1}, {"r2", "eth0", 2}, 2);
    lab.link({"r2", "eth1", 1}, {"dst", "eth0", 2}, 3);
    lab.default_route("src", 1, 2);
    lab.default_route("dst", 3, 1);
    lab.route("r1", 3, 2, 2);
    lab.route("r2", 1, 2, 1);
    lab.ip("r2", {"neigh replace " + unseen_destination(lab, 4) +
                  " lladdr 02:00:00:00:03:02 nud permanent dev eth1"});
    lab.ip6("r2", {"neigh replace " + unseen_destination(lab, 6) +
                   " lladdr 02:00:00:00:03:02 nud permanent dev eth1"});
}

std::vector<bool> observe(const Lab& lab, const std::string& destination,
                          const std::vector<PlainService>& services, const std::string& node,
                          const std::string& interface) {
    Capture there(lab.netns(node), interface);
    const auto send = [&](const std::string& protocol, int port) {
        send_plain({.netns = lab.netns("src"),
                    .destination = destination,
                    .protocol = protocol,
                    .port = port});
    };
    const auto passes = [&](int port) {
        return eventually([&] {
            send("udp", port);
            return there.saw("udp", port);
        });
    };
    if (!passes(kBefore)) throw std::runtime_error("nothing arrives at " + destination);
    for (const auto& [protocol, port] : services) send(protocol, port);
    if (!passes(kAfter)) throw std::runtime_error("nothing more arrives at " + destination);
    std::vector<bool> arrived;
    for (const auto& [protocol, port] : services) arrived.push_back(there.saw(protocol, port));
    return arrived;
}

Background::Background(std::function<void(int stop)> work)
    : stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([work = std::move(work), stop = stop_.get()] { work(stop); }) {}

Background::~Background() {
    [[maybe_unused]] const auto written = ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

Background echo(std::vector<int> sockets) {
    return Background([sockets = std::move(sockets)](int stop) {
        std::array<char, 2048> buffer{};
        std::vector<pollfd> all{{stop, POLLIN, 0}};
        for (const int socket : sockets) all.push_back({socket, POLLIN, 0});
        while (::poll(all.data(), all.size(), -1) > 0 && all[0].revents == 0)
            for (const auto& each : all) {
                if (each.revents == 0) continue;
                sockaddr_storage from{};
                socklen_t size = sizeof from;
                const auto got = ::recvfrom(each.fd, buffer.data(), buffer.size(), 0,
                                            reinterpret_cast<sockaddr*>(&from), &size);
                if (got > 0)
                    ::sendto(each.fd, buffer.data(), static_cast<std::size_t>(got), 0,
                             reinterpret_cast<const sockaddr*>(&from), size);
            }
    });
}

}  // namespace ksms::lab
