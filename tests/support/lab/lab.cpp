// SPDX-License-Identifier: BSD-2-Clause
#include "lab/lab.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "lab/remove.hpp"

namespace ksms::lab {
namespace {

std::string mac(int link, int host) {
    return fmt::format("02:00:00:00:{:02x}:{:02x}", link, host);
}

}  // namespace

Janitor::Janitor(const std::function<void()>& clean) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    here_ = Fd(ends[1]);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ > 0) {
        ::close(ends[0]);
        return;
    }
    ::setsid();
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
    // Standard output belongs to the test runner, which waits for its end.
    ::dup2(ends[0], 0);
    ::syscall(SYS_close_range, 1, ~0U, 0);
    char byte = 0;
    while (::read(0, &byte, 1) > 0) {
    }
    clean();
    ::_exit(0);
}

Janitor::~Janitor() {
    here_.reset();
    ::waitpid(pid_, nullptr, 0);
}

Lab::Lab(Pins pins) : number_(static_cast<unsigned>(::getpid()) % 16384) {
    remove_labs_of_the_dead();
    prefix_ = fmt::format("ksmst{}_", ::getpid());
    pin_root_ = "/sys/fs/bpf/" + prefix_ + "pins";
    directory_ = "/tmp/" + prefix_ + "files";
    const auto remove_pins = [root = pin_root_, prefix = prefix_] {
        remove_tree(root);
        remove_cgroups(prefix);
    };
    if (pins == Pins::with_process) static const Janitor last(remove_pins);
    janitor_.emplace([this, pins, remove_pins] {
        remove_namespaces(prefix_);
        if (pins == Pins::with_lab) remove_pins();
        remove_tree(directory_);
    });
    std::filesystem::create_directory(directory_);
    // The tables are a namespace's own, and so nobody waits for who changes those of another lab.
    const auto lock = directory_ + "/xtables.lock";
    if (!std::ofstream(lock)) throw std::runtime_error("create " + lock);
    ::setenv("XTABLES_LOCKFILE", lock.c_str(), 1);
}

Lab::~Lab() = default;

/// A program with lines to read, inside a namespace.
void Lab::feed(const std::string& netns, const std::vector<std::string>& arguments,
               const std::string& input) const {
    // Of iptables-legacy there is one lock for the machine, which other labs hold too.
    must({.arguments = arguments,
          .netns = netns,
          .input = input,
          .environment = {{"XTABLES_LOCKFILE", directory_ + "/xtables.lock"}}});
    script_ += netns.empty() ? "" : fmt::format("nsenter --net=/run/netns/{} ", netns);
    script_ += fmt::format("{} <<'END'\n{}{}END\n", fmt::join(arguments, " "), input,
                           input.ends_with('\n') ? "" : "\n");
}

void Lab::batch(const std::string& netns, const std::vector<std::string>& lines, bool six) const {
    // Not `ip -n`: it wants / to be a mount point, which it is not in a chroot.
    std::vector<std::string> arguments{"ip"};
    if (six) arguments.emplace_back("-6");
    arguments.insert(arguments.end(), {"-batch", "-"});
    feed(netns, arguments, fmt::format("{}\n", fmt::join(lines, "\n")));
}

std::string Lab::script() const {
    std::string text = script_;
    for (auto at = text.find(prefix_); at != std::string::npos; at = text.find(prefix_, at))
        text.replace(at, prefix_.size(), "lab_");
    return text;
}

/// @param how  of `ip netns`, with {} for the name
void Lab::add(const std::string& node, const std::string& how) {
    const auto name = netns(node);
    batch("", {fmt::format(fmt::runtime(how), name)});
    nodes_.push_back(node);
    // Without this an address is no good for neighbour discovery for more than a second.
    sysctl(node, "ipv6/conf/default/accept_dad", "0");
    batch(name, {"link set lo up"});
}

void Lab::host(const std::string& node) {
    add(node, "netns add {}");
    sysctl(node, "ipv4/ip_forward", "0");
}

void Lab::router(const std::string& node) {
    add(node, "netns add {}");
    make_router(node);
}

void Lab::adopt_router(const std::string& node, pid_t pid) {
    add(node, fmt::format("netns attach {{}} {}", pid));
    make_router(node);
}

void Lab::make_router(const std::string& node) const {
    sysctl(node, "ipv4/ip_forward", "1");
    sysctl(node, "ipv4/conf/all/rp_filter", "0");
    sysctl(node, "ipv6/conf/all/forwarding", "1");
}

void Lab::remove(const std::string& node) {
    batch("", {"netns del " + netns(node)});
    std::erase(nodes_, node);
    if (nodes_.empty()) script_.clear();
}

std::string Lab::address(int family, int link, int host) const {
    if (family == 6) return fmt::format("fd6b:{:x}:{:x}:{:x}::{:x}", 0x736d, number_, link, host);
    return fmt::format("100.{}.{}.{}", 64 + number_ / 256, number_ % 256, link * 8 + host);
}

void Lab::up(const End& end) const {
    ip(end.node, {fmt::format("link set {} up", end.interface)});
}

/// Only once the link has carrier: an IPv6 address that is older joins its multicast group up to a
/// second late (rtr_solicitation_delay), and nobody resolves it until then.
void Lab::give_addresses(const End& end, int link) const {
    ip(end.node,
       {fmt::format("addr add {}/29 dev {}", address(4, link, end.host), end.interface),
        fmt::format("addr add {}/64 dev {} nodad", address(6, link, end.host), end.interface)});
}

std::string Lab::subnet(int family, int link) const {
    return family == 6 ? address(6, link, 0) + "/64" : address(4, link, 0) + "/29";
}

void Lab::link(const End& a, const End& b, int link) {
    batch("",
          {fmt::format("link add {} netns {} address {} type veth peer name {} netns {} address {}",
                       a.interface, netns(a.node), mac(link, a.host), b.interface, netns(b.node),
                       mac(link, b.host))});
    up(a);
    up(b);
    for (const auto& end : {a, b}) give_addresses(end, link);
}

void Lab::plug(const End& end, const std::string& bridge_node, const std::string& bridge,
               int link) {
    const auto port = fmt::format("p{}_{}", link, end.host);
    batch("", {fmt::format("link add {} netns {} address {} type veth peer name {} netns {}",
                           end.interface, netns(end.node), mac(link, end.host), port,
                           netns(bridge_node))});
    ip(bridge_node, {fmt::format("link set {} master {} up", port, bridge)});
    up(end);
    give_addresses(end, link);
}

void Lab::default_route(const std::string& node, int link, int host) {
    ip(node, {"route add default via " + address(4, link, host)});
    ip6(node, {"route add default via " + address(6, link, host)});
}

void Lab::route(const std::string& node, int to_link, int link, int host) {
    ip(node, {"route add " + subnet(4, to_link) + " via " + address(4, link, host)});
    ip6(node, {"route add " + subnet(6, to_link) + " via " + address(6, link, host)});
}

void Lab::ip(const std::string& node, const std::vector<std::string>& lines) const {
    batch(netns(node), lines);
}

void Lab::ip6(const std::string& node, const std::vector<std::string>& lines) const {
    batch(netns(node), lines, true);
}

void Lab::rules(const std::string& node, Firewall firewall, const std::string& table,
                int family) const {
    const std::string flavour = firewall == Firewall::iptables_nft ? "nft" : "legacy";
    for (const int each : {4, 6}) {
        if (family != 0 && family != each) continue;
        const auto program = fmt::format("{}tables-{}-restore", each == 4 ? "ip" : "ip6", flavour);
        feed(netns(node), {program, "-w", "10"}, table);
    }
}

void Lab::nft(const std::string& node, const std::string& ruleset) const {
    feed(netns(node), {"nft", "-f", "-"}, ruleset);
}

void Lab::sysctl(const std::string& node, const std::string& path, const std::string& value) const {
    inside(netns(node), [&] {
        // /proc/sys/net shows the namespace of the thread that opens it.
        std::ofstream file("/proc/sys/net/" + path);
        file << value;
        if (!file.flush()) throw std::runtime_error("sysctl " + path);
    });
    script_ += fmt::format("nsenter --net=/run/netns/{} sh -c 'echo {} >/proc/sys/net/{}'\n",
                           netns(node), value, path);
}

std::string Lab::in(const std::string& node, const std::vector<std::string>& arguments) const {
    return must({.arguments = arguments, .netns = netns(node)});
}

}  // namespace ksms::lab
