// SPDX-License-Identifier: BSD-2-Clause
// ksmsd as systemd runs it: sockets that are passed on, what it tells the manager, and its end.
// systemd.exec(5), sd_listen_fds(3), sd_notify(3).
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lab/chain.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/leftovers.hpp"
#include "lab/service.hpp"

namespace {

using namespace ksms::lab;
using ksms::Fd;
using Clock = std::chrono::steady_clock;

Fd bound_socket(const std::string& path, int type) {
    Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

Fd listening_socket(const std::string& path) {
    auto fd = bound_socket(path, SOCK_STREAM);
    REQUIRE(::listen(fd.get(), 128) == 0);
    return fd;
}

/// What systemd's manager hears.
class Manager {
public:
    explicit Manager(const Lab& lab)
        : path_(lab.directory() + "/n"), socket_(bound_socket(path_, SOCK_DGRAM)) {}

    [[nodiscard]] const std::string& path() const { return path_; }

    /// The next message that begins so; those before it are counted and forgotten. "": none in time
    std::string next(const std::string& beginning, milliseconds within = kPatience) {
        const auto until = Clock::now() + within;
        while (readable(socket_.get(),
                        std::max(milliseconds{0},
                                 std::chrono::duration_cast<milliseconds>(until - Clock::now())))) {
            const auto text = take();
            if (text.starts_with(beginning)) return text;
            skipped_ += text + "\n";
        }
        return "";
    }

    /// What next() passed over since this was called last.
    std::string skipped() { return std::exchange(skipped_, {}); }

    void forget() {
        while (readable(socket_.get(), milliseconds{0})) take();
        skipped_.clear();
    }

private:
    std::string take() {
        std::array<char, 4096> buffer{};
        const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
    }

    std::string path_;
    Fd socket_;
    std::string skipped_;
};

std::string environment_of(pid_t pid) {
    std::ostringstream text;
    text << std::ifstream(fmt::format("/proc/{}/environ", pid)).rdbuf();
    return text.str();
}

/// Whether a process has this socket open.
bool holds(pid_t pid, const Fd& socket) {
    struct stat wanted{};
    ::fstat(socket.get(), &wanted);
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
        struct stat status{};
        if (::stat(entry.path().c_str(), &status) == 0 && status.st_ino == wanted.st_ino &&
            status.st_dev == wanted.st_dev)
            return true;
    }
    return false;
}

}  // namespace

TEST_CASE("service: sockets that systemd passed on") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    const auto one = listening_socket(service.socket());
    const auto other = listening_socket(lab.directory() + "/t");
    const ServiceStart activated{.before = "export LISTEN_PID=$$ LISTEN_FDS=2",
                                 .environment = {},
                                 .descriptors = {one.get(), other.get()}};
    // Two ksmsd one after the other: the socket is there all the time, and who comes while there
    // is none waits.
    for (int round = 0; round < 2; ++round) {
        Child early({.arguments = {"curl", "-s", "--unix-socket", service.socket(),
                                   "http://ksms/v1/status"}});
        service.launch(activated);
        const auto first = early.wait();
        INFO(first.out << service.log());
        REQUIRE(first.exit == 0);
        CHECK(nlohmann::json::parse(first.out)["state"] == "running");
        CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
        CHECK(service.job({"list", "--socket", lab.directory() + "/t"}).exit == 0);
        for (const auto worker : service.workers()) {
            CHECK_FALSE(holds(worker, one));
            CHECK_FALSE(holds(worker, other));
            CHECK(environment_of(worker).find("LISTEN_FDS") == std::string::npos);
        }
        CHECK(service.stop().exit == 0);
        CHECK(std::filesystem::is_socket(service.socket()));
    }
}

/// PrivateNetwork=: what holds the jobs has no network, and what runs them that of the socket.
TEST_CASE("service: a network of its own is not that of its jobs") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    const auto socket = listening_socket(service.socket());
    service.launch({.before = "export LISTEN_PID=$$ LISTEN_FDS=1; set -- unshare --net \"$@\"",
                    .environment = {},
                    .descriptors = {socket.get()}});
    const auto ran = service.job(submit(lab, "22", {"--wait", "-q"}));
    INFO(ran.err << service.log());
    CHECK(ran.exit == 0);
    const auto network_of = [](const std::string& process) {
        return std::filesystem::read_symlink(fmt::format("/proc/{}/ns/net", process));
    };
    CHECK(network_of(std::to_string(service.pid())) != network_of("self"));
    REQUIRE(!service.workers().empty());
    for (const auto worker : service.workers())
        CHECK(network_of(std::to_string(worker)) == network_of("self"));
    CHECK(service.stop().exit == 0);
}

TEST_CASE("service: its own socket is taken over, and goes with it") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    Service service(lab), second(lab, {{"ksms", {{"state_directory", lab.directory() + "/b"}}}});
    service.start();
    // Another one with the same socket ends, and takes nothing away.
    second.launch();
    const auto ended = second.wait();
    CHECK(ended.exit == 1);
    CHECK(ended.err.find("somebody listens on " + service.socket()) != std::string::npos);
    REQUIRE(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    service.kill();
    CHECK(std::filesystem::is_socket(service.socket()));
    service.start();
    CHECK(service.stop().exit == 0);
    CHECK_FALSE(std::filesystem::exists(service.socket()));
}

TEST_CASE("service: what the manager hears") {
    Lab lab;
    build_chain(lab);
    Service service(lab);
    Manager manager(lab);
    const ServiceStart watched{
        .before = "export WATCHDOG_PID=$$",
        .environment = {{"NOTIFY_SOCKET", manager.path()}, {"WATCHDOG_USEC", "400000"}},
        .descriptors = {}};
    service.launch(watched);
    REQUIRE(manager.next("READY=1") != "");
    // From now on, without a moment more, it accepts jobs.
    CHECK(service.job(submit(lab, "22", {"--id", "a"})).exit == 0);
    CHECK(service.job({"wait", "a", "-q"}).exit == 0);

    manager.forget();
    // In time, where the machine gives it its time.
    auto heard = Clock::now();
    auto soonest = Clock::duration::max();
    for (int i = 0; i < 10; ++i) {
        REQUIRE(manager.next("WATCHDOG=1") != "");
        soonest = std::min(soonest, Clock::now() - std::exchange(heard, Clock::now()));
    }
    CHECK(soonest < milliseconds{400});

    // While it stands still nothing is heard: that is what the watchdog is for.
    service.signal(SIGSTOP);
    CHECK(eventually([&] {
        std::ifstream status(fmt::format("/proc/{}/status", service.pid()));
        std::ostringstream text;
        text << status.rdbuf();
        return text.str().find("State:\tT") != std::string::npos;
    }));
    manager.forget();
    CHECK(manager.next("", milliseconds{1200}) == "");
    service.signal(SIGCONT);
    CHECK(manager.next("WATCHDOG=1") != "");

    for (const bool good : {true, false}) {
        INFO((good ? "a good" : "a bad") << " configuration");
        manager.forget();
        if (!good) service.write_config("{");
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        service.signal(SIGHUP);
        const auto reloading = manager.next("RELOADING=1");
        const auto at = reloading.find("\nMONOTONIC_USEC=");
        REQUIRE(at != std::string::npos);
        const auto since =
            std::stoll(reloading.substr(at + 16)) - (now.tv_sec * 1'000'000LL + now.tv_nsec / 1000);
        CHECK(since >= 0);
        CHECK(since < 20'000'000);
        CHECK(manager.next("READY=1") != "");
    }
    service.write_config(service.config().dump());

    manager.forget();
    service.signal(SIGTERM);
    CHECK(manager.next("STOPPING=1") != "");
    const auto ended = service.wait();
    CHECK(ended.exit == 0);
    CHECK(manager.next("READY=1", milliseconds{0}) == "");
    CHECK(manager.skipped().find("RELOADING") == std::string::npos);
}

TEST_CASE("service: it is not ready where it cannot be") {
    Lab lab;
    build_chain(lab, {.firewalls = false});
    Service service(lab), second(lab, {{"ksms", {{"socket", lab.directory() + "/t"}}}});
    service.start();
    // The database is the first one's.
    Manager manager(lab);
    second.launch(
        {.before = "", .environment = {{"NOTIFY_SOCKET", manager.path()}}, .descriptors = {}});
    const auto ended = second.wait();
    INFO(ended.err);
    CHECK(ended.exit == 1);
    CHECK(ended.err.find("one ksmsd a directory") != std::string::npos);
    CHECK(manager.next("READY=1", milliseconds{0}) == "");
    CHECK(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
}

TEST_CASE("service: SIGTERM while a job runs, and the next one runs it") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab, {{"ksms_parallel_execution", false}});
    service.start();
    REQUIRE(service.job(submit(lab, "22", {"--wait", "-q"})).exit == 0);
    REQUIRE(service.stop().exit == 0);
    const auto before = quick_state(lab);

    service.start();
    // Sixteen services, two a second.
    REQUIRE(service.job(submit(lab, "1-16", {"--id", "runs", "--rate", "2"})).exit == 0);
    REQUIRE(service.job(submit(lab, chain_ports(), {"--id", "waits"})).exit == 0);
    REQUIRE(eventually([&] { return service.job_json({"show", "runs"})["state"] == "running"; }));
    Child waiting(ksmsctl(lab, {"job", "wait", "runs", "--socket", service.socket()}));
    CHECK(eventually([&] { return service.metric("ksms_http_event_streams") == 1; }));
    const auto ended = service.stop();
    CHECK(ended.exit == 0);
    INFO(ended.err);
    // Who waited is told, and not left waiting.
    CHECK(waiting.wait().exit == 1);
    CHECK(leases(lab) == 0);
    CHECK(left_after(lab, before) == "");

    service.start();
    const auto again = service.job_json({"show", "runs"});
    CHECK((again["state"] == "queued" || again["state"] == "running"));
    CHECK(service.job({"wait", "waits", "-q"}).exit == 0);
    const auto runs = service.job_json({"show", "runs"});
    CHECK(runs["state"] == "done");
    CHECK(runs["result"]["summary"]["services"] == 16);
    CHECK(service.job_json({"show", "waits"})["started_at"] >= runs["finished_at"]);
    CHECK(service.stop().exit == 0);
    CHECK(leases(lab) == 0);
    CHECK(left_after(lab, before) == "");
}

TEST_CASE("service: a second SIGTERM does not wait for a worker that hangs") {
    Lab lab;
    build_chain(lab, {.destination = false});
    Service service(lab);
    service.start();
    REQUIRE(service.job(submit(lab, "1-90", {"--id", "hangs", "--rate", "2"})).exit == 0);
    REQUIRE(eventually([&] { return service.job_json({"show", "hangs"})["state"] == "running"; }));
    for (const auto worker : service.workers()) ::kill(worker, SIGSTOP);
    service.signal(SIGTERM);
    CHECK_FALSE(service.ended(milliseconds{500}));
    service.signal(SIGTERM);
    // Without the second one it would give them fifteen seconds.
    const bool over = service.ended(milliseconds{10'000});
    CHECK(over);
    if (over) CHECK(service.wait().exit == 0);
    CHECK(eventually([&] { return leases(lab) == 0; }));
    service.start();
    CHECK(eventually([&] { return service.job_json({"show", "hangs"})["state"] == "running"; }));
    CHECK(service.job({"cancel", "hangs"}).exit == 0);
}
