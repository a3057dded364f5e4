// SPDX-License-Identifier: BSD-2-Clause
#include "guard_actor.hpp"

#include <fmt/format.h>
#include <net/if.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "lab/wait.hpp"

namespace ksms::lab {
namespace {

/// The child of `parent` with the name ksms-watcher.
pid_t watcher_of(pid_t parent) {
    for (const auto& each : std::filesystem::directory_iterator("/proc")) {
        std::ifstream stat(each.path() / "stat");
        std::string pid, name, state;
        pid_t ppid = 0;
        if (stat >> pid >> name >> state >> ppid && ppid == parent && name == "(ksms-watcher)")
            return std::stoi(pid);
    }
    return -1;
}

[[noreturn]] void act(const Objects& objects, const Actor::Deeds& deeds, int socket) {
    std::string said = "done";
    {
        auto guard = Guard::start(objects);
        if (!guard) {
            said = guard.error().text();
        } else if (const auto done = deeds(*guard); !done) {
            said = done.error().text();
        }
        send(socket, said.data(), said.size(), MSG_NOSIGNAL);
        char word = 0;
        [[maybe_unused]] const auto got = read(socket, &word, 1);
    }
    _exit(0);
}

}  // namespace

Actor::Actor(const Objects& objects, const Deeds& deeds) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::runtime_error("socketpair");
    socket_ = Fd(ends[0]);
    Fd theirs(ends[1]);
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) {
        socket_.reset();
        setpgid(0, 0);
        act(objects, deeds, theirs.get());
    }
    theirs.reset();
    std::array<char, 512> said{};
    const auto length = read(socket_.get(), said.data(), said.size());
    const std::string text(said.data(), length < 0 ? 0u : static_cast<std::size_t>(length));
    if (text != "done") throw std::runtime_error("the actor: " + text);
    pid_t watcher = -1;
    if (!eventually([&] { return (watcher = watcher_of(pid_)) > 0; }))
        throw std::runtime_error("the actor has no watcher");
    watcher_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, watcher, 0)));
}

Actor::~Actor() {
    end();
}

void Actor::let_go() {
    send(socket_.get(), "go", 2, MSG_NOSIGNAL);
}

void Actor::end() {
    if (pid_ < 0) return;
    let_go();
    waitpid(std::exchange(pid_, -1), nullptr, 0);
}

void Actor::kill() {
    ::kill(-pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
}

void Actor::signal_watcher(int number) const {
    syscall(SYS_pidfd_send_signal, watcher_.get(), number, nullptr, 0);
}

void Actor::kill_watcher() const {
    signal_watcher(SIGKILL);
    if (!watcher_gone()) throw std::runtime_error("the watcher does not die");
}

void Actor::kill_with_watcher() {
    kill_watcher();
    kill();
}

bool Actor::watcher_gone() const {
    return readable(watcher_.get());
}

GuardBench::GuardBench() {
    lab.router("r1");
    lab.host("a");
    lab.link({"r1", "eth0", 1}, {"a", "eth0", 2}, 0);
    objects = value(Objects::open(PinRoot{lab.pin_root()}));
    netns = value(Netns::open(lab.netns("r1")));
    auto netlink = value(Netlink::open(netns));
    for (const auto& link : value(links(netlink)))
        if (link.name == "eth0") ifindex = link.ifindex;
}

Status GuardBench::add_qdisc(Guard& guard) const {
    KSMS_CHECK(guard.enter(netns));
    KSMS_TRY(auto netlink, Netlink::open(netns));
    KSMS_CHECK(guard.will(did_qdisc(netns, ifindex)));
    return add_clsact(netlink, ifindex);
}

Status GuardBench::add_filter(Guard& guard, ksms_direction direction, std::uint8_t dscp) const {
    KSMS_CHECK(guard.enter(netns));
    KSMS_TRY(auto netlink, Netlink::open(netns));
    Filter filter;
    filter.ifindex = ifindex;
    filter.direction = static_cast<std::uint8_t>(direction);
    filter.priority = 40000;
    filter.handle = filter_handle(direction, dscp);
    filter.name = kFilterName;
    KSMS_CHECK(guard.will(did_filter(netns, ifindex, direction, filter.priority, filter.handle)));
    return add_bpf_filter(netlink, filter, objects.program(Program::clsact_ingress));
}

Status GuardBench::add_neighbour(Guard& guard, const Address& address, std::uint8_t dscp) const {
    KSMS_TRY(auto netlink, Netlink::open(netns));
    KSMS_CHECK(guard.will(did_neighbour(netns, ifindex, address, fake_mac(dscp))));
    return ksms::add_neighbour(netlink, ifindex, address, fake_mac(dscp), kNeighbourProtocol);
}

void GuardBench::add_foreign_filter(std::uint16_t priority, std::uint32_t handle) const {
    auto netlink = value(Netlink::open(netns));
    Filter filter;
    filter.ifindex = ifindex;
    filter.priority = priority;
    filter.handle = handle;
    filter.name = "theirs";
    ok(add_bpf_filter(netlink, filter, objects.program(Program::clsact_ingress)));
}

std::vector<std::string> GuardBench::standing() const {
    std::vector<std::string> all;
    auto netlink = value(Netlink::open(netns));
    for (const auto& qdisc : value(qdiscs(netlink)))
        if (qdisc.ifindex == ifindex && qdisc.kind == "clsact") all.push_back(qdisc.kind);
    for (const std::uint8_t direction : {KSMS_INGRESS, KSMS_EGRESS})
        for (const auto& filter : value(filters(netlink, ifindex, direction)))
            all.push_back(fmt::format("{} {:x} {}",
                                      direction == KSMS_INGRESS ? "ingress" : "egress",
                                      filter.handle, filter.name));
    for (const int family : {AF_INET, AF_INET6})
        for (const auto& each : value(neighbours(netlink, family)))
            if (each.ifindex == ifindex && each.protocol == kNeighbourProtocol)
                all.push_back(
                    fmt::format("{} {}", each.address.text(),
                                each.mac ? fmt::format("{:02x}", fmt::join(*each.mac, ":")) : "-"));
    return all;
}

std::size_t GuardBench::journal_entries() const {
    std::size_t count = 0;
    ok(objects.journal.for_each([&](const auto&, const auto&) { ++count; }));
    return count;
}

bool GuardBench::clean_soon() const {
    return eventually([&] { return standing().empty() && journal_entries() == 0; });
}

void GuardBench::tc(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"tc"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    lab.in("r1", all);
}

}  // namespace ksms::lab
