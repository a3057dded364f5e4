// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/daemon.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/group.hpp"
#include "config/config.hpp"
#include "daemon/board.hpp"
#include "daemon/health.hpp"
#include "daemon/log.hpp"
#include "daemon/page.hpp"
#include "daemon/proc_server.hpp"
#include "daemon/service.hpp"
#include "daemon/sockets.hpp"
#include "daemon/stall.hpp"
#include "daemon/worker.hpp"
#include "daemon/worker_process.hpp"
#include "front/front.hpp"
#include "guard/guard.hpp"
#include "http/background.hpp"
#include "http/peer.hpp"
#include "os/confine.hpp"
#include "os/descriptor_limit.hpp"
#include "os/process.hpp"
#include "os/watched.hpp"
#include "request/options.hpp"

namespace ksms {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// systemd waits longer (TimeoutStopSec=30), then kills.
constexpr std::chrono::seconds kStopTime{20};
constexpr std::chrono::milliseconds kLastAnswers{2000};
constexpr std::chrono::milliseconds kLastWorkers{3000};
constexpr unsigned kLastWrites = 5;  // seconds
constexpr std::chrono::seconds kPruneEvery{10};
// One round removes at most a few hundred jobs, so that it does not delay other requests.
constexpr std::chrono::milliseconds kPruneOn{100};
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::seconds kTrimEvery{10};

constexpr Option kOptions[] = {
    {"foreground", nullptr, "stay here, with the log on standard error (also what systemd starts)"},
};

constexpr const char* kHelp =
    "ksmsd [--foreground] [--config FILE]\n"
    "Runs jobs of many users: HTTP and JSON on /run/ksms/ksmsd.sock.\n\n";

extern "C" void end_without_writing(int) {
    static constexpr std::string_view text =
        "ksmsd: error: the disk has not taken what was to be written: ended without it\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(static_cast<int>(Code::failed));
}

class Daemon {
public:
    Daemon(const Objects& objects, JobStore store, Config config, std::string config_file,
           WorkerHome home)
        : config_(std::move(config)),
          config_file_(std::move(config_file)),
          board_(io_, std::move(store), config_, std::move(home)),
          health_(io_, objects, board_),
          peers_(io_, kGroup),
          service_(board_, health_, objects, config_, peers_),
          front_(io_, service_, peers_,
                 [](const std::string& text) { log(LogLevel::error, text); }),
          signals_(io_, SIGTERM, SIGINT, SIGHUP),
          watchdog_(io_),
          look_(io_),
          check_(io_),
          prune_(io_),
          trim_(io_),
          bound_(io_),
          files_(io_, "ksmsd-config", Lane::AtEnd::abandon) {}

    Status run(Listening listening) {
        KSMS_CHECK(are_events_watched());
        // First: it uses the database on this thread, before the database thread does.
        KSMS_CHECK(board_.recover());
        for (auto& socket : listening.sockets) KSMS_CHECK(front_.listen(std::move(socket)));
        KSMS_CHECK(front_.start());
        await_signal();
        every(look_, kLookEvery, [this] { health_.watch_use(config_); });
        prune();
        // malloc keeps the memory of the largest clients and results, because it is fragmented.
        every(trim_, kTrimEvery, [] { ::malloc_trim(0); });
        check();
        beat();
        ::sd_notify(0, "READY=1\nSTATUS=running");
        log(LogLevel::notice, fmt::format("running, version {}", KSMS_VERSION));
        const StallWatch watch(io_);
        service_.watched_by(&watch);
        service_.fronted_by(&front_);
        io_.run();
        service_.fronted_by(nullptr);
        // Time limit for the last writes, in case the disk hangs.
        std::signal(SIGALRM, end_without_writing);
        ::alarm(kLastWrites);
        service_.watched_by(nullptr);
        log(LogLevel::notice, "ended");
        return {};
    }

private:
    template <typename Action>
    void every(asio::steady_timer& timer, std::chrono::seconds period, Action action) {
        timer.expires_after(period);
        timer.async_wait([this, &timer, period, action](error_code failed) {
            if (failed) return;
            action();
            every(timer, period, action);
        });
    }

    void check() {
        health_.check_registry(config_);
        check_.expires_after(config_.cleanup_interval);
        check_.async_wait([this](error_code failed) {
            if (!failed) check();
        });
    }

    void prune() {
        board_.prune([this](bool more) {
            prune_.expires_after(more ? kPruneOn : kPruneEvery);
            prune_.async_wait([this](error_code failed) {
                if (!failed) prune();
            });
        });
    }

    /// Notifies the watchdog of systemd, twice in its timeout.
    void beat() {
        std::uint64_t microseconds = 0;
        if (::sd_watchdog_enabled(0, &microseconds) <= 0) return;
        ::sd_notify(0, "WATCHDOG=1");
        watchdog_.expires_after(std::chrono::microseconds(microseconds / 2));
        watchdog_.async_wait([this](error_code failed) {
            if (!failed) beat();
        });
    }

    void await_signal() {
        signals_.async_wait([this](error_code failed, int number) {
            if (failed) return;
            if (number == SIGHUP)
                reload();
            else if (!board_.is_stopping())
                stop(number);
            else
                board_.kill_all();
            await_signal();
        });
    }

    void reload() {
        ::sd_notify(
            0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", in_ns(monotonic()) / 1000).c_str());
        files_.run([file = config_file_] { return load_config(file); },
                   [this](Result<Config> fresh) { take(std::move(fresh)); });
    }

    void take(Result<Config> fresh) {
        if (!fresh) {
            log(LogLevel::error, fresh.error().text() + ": refused, the old configuration stays");
        } else {
            for (const auto& warning : fresh->warnings) log(LogLevel::warning, warning);
            const auto& before = config_.service;
            const auto& after = fresh->service;
            if (after.socket != before.socket || after.http_port != before.http_port ||
                after.state_directory != before.state_directory)
                log(LogLevel::warning,
                    "socket, http_port and state_directory change with a restart only");
            fresh->service.state_directory = before.state_directory;
            fresh->service.socket = before.socket;
            fresh->service.http_port = before.http_port;
            config_ = std::move(*fresh);
            board_.reload(config_);
            check();
            log(LogLevel::notice, "configuration read again");
        }
        ::sd_notify(0, "READY=1");
    }

    void stop(int number) {
        log(LogLevel::notice, fmt::format("signal {}: ending", number));
        ::sd_notify(0, "STOPPING=1\nSTATUS=ending");
        bound_.expires_after(kStopTime);
        bound_.async_wait([this](error_code failed) {
            if (failed) return;
            board_.kill_all();
            // A worker that SIGKILL does not end is blocked in the kernel. Do not wait for it.
            bound_.expires_after(kLastWorkers);
            bound_.async_wait([this](error_code ended) {
                if (!ended) leave();
            });
        });
        board_.stop([this] { leave(); });
    }

    void leave() {
        if (std::exchange(leaving_, true)) return;
        front_.stop(kLastAnswers, [this] { io_.stop(); });
    }

    asio::io_context io_{1};
    Config config_;
    std::string config_file_;
    JobBoard board_;
    Health health_;
    PeerNames peers_;
    KsmsService service_;
    Front front_;
    asio::signal_set signals_;
    asio::steady_timer watchdog_, look_, check_, prune_, trim_, bound_;
    Background files_;
    bool leaving_{false};
};

/// Needed by workers and by the tools that they run; systemd/ksmsd.service says for what. Dropped
/// before the first thread starts, because capabilities are per thread.
constexpr int kCapabilities[] = {CAP_NET_ADMIN, CAP_NET_RAW,   CAP_BPF,
                                 CAP_PERFMON,   CAP_SYS_ADMIN, CAP_SYS_PTRACE};

// As Nice= in systemd/ksmsd.service. Workers reset it to 0.
constexpr int kNice = -5;

Status give_up_privileges() {
    // ksmsd has priority over its workers. Failure is harmless.
    ::setpriority(PRIO_PROCESS, 0, kNice);
    KSMS_CHECK(keep_capabilities(kCapabilities));
    const auto refused = refuse_what_no_scan_needs();
    // ksmsd runs without seccomp if the kernel has none.
    if (!refused) log(LogLevel::warning, refused.error().text());
    return {};
}

Status run_daemon(const std::vector<std::string>& line) {
    KSMS_TRY(const auto arguments, parse_arguments(kOptions, line));
    KSMS_TRY(const auto options, read_global_options(arguments));
    if (options.help || options.version) {
        const auto text =
            options.help ? kHelp + options_help(kOptions) : fmt::format("ksmsd {}\n", KSMS_VERSION);
        std::fputs(text.c_str(), stdout);
        return {};
    }
    if (!arguments.words.empty() || !arguments.rest.empty())
        return fail(Code::usage, "ksmsd takes only options", "ksmsd --help");
    if (options.verbose > 0) set_log_level(LogLevel::debug);
    KSMS_TRY(auto config, load_config(options.config));
    for (const auto& warning : config.warnings) log(LogLevel::warning, warning);
    KSMS_CHECK(require_capabilities("ksmsd"));
    KSMS_TRY(const auto root, PinRoot::choose(options.pin_root, Environment::read().pin_root));
    // A member of the group can give pins and socket to the group without CAP_CHOWN.
    KSMS_CHECK(join_group(kGroup));
    if (!arguments.has("foreground") && ::daemon(0, 1) != 0) return fail_errno(errno, "daemon");
    KSMS_TRY(const auto objects, Objects::open(root));
    KSMS_TRY(const auto undone, reconcile(objects));
    std::vector<std::string> left;
    add_warnings(undone, left);
    for (const auto& warning : left) log(LogLevel::warning, warning);
    KSMS_TRY(auto store, JobStore::open(config.service.state_directory));
    if (const auto& damage = store.damage()) log_damage(*damage);
    // Before the first worker starts: it must not inherit the descriptors that systemd passed.
    KSMS_TRY(auto listening, listen_everywhere(config.service));
    KSMS_CHECK(give_up_privileges());
    const LogThread logging;
    const Defer last([] { await_workers(kLastWorkers); });
    return Daemon(objects, std::move(store), std::move(config), options.config,
                  {root.path, listening.outside})
        .run(std::move(listening));
}

}  // namespace

int daemon_main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::vector<std::string> line(argv + std::min(argc, 1), argv + argc);
    const auto parent = [&line] {
        pid_t pid = 0;
        std::from_chars(line[1].data(), line[1].data() + line[1].size(), pid);
        return pid;
    };
    if (line.size() == 3 && line.front() == "--worker") return worker_main(parent(), line[2]);
    if (line.size() == 1 && line.front() == "--proc") return proc_main();
    if (line.size() == 2 && line.front() == kFrontOption)
        return front_main(parent(), built_in_page());
    raise_descriptor_limit();
    Status ended;
    try {
        ended = run_daemon(line);
    } catch (const std::bad_alloc&) {
        ended = fail_errno(ENOMEM, "run the service");
    } catch (const std::exception& exception) {
        ended = fail(Code::failed, exception.what());
    }
    if (ended) return 0;
    log(LogLevel::error, ended.error().text());
    if (!ended.error().hint.empty()) log(LogLevel::error, "hint: " + ended.error().hint);
    return static_cast<int>(ended.error().code);
}

}  // namespace ksms
