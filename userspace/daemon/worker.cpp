// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/worker.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/write_all.hpp"
#include "daemon/job_run.hpp"
#include "daemon/order.hpp"
#include "os/descriptor_limit.hpp"
#include "os/signals.hpp"

namespace ksms {
namespace {

/// Ends the process if an event cannot be sent whole: ksmsd would misread it, or wait forever. The
/// job runs again.
void say(std::string_view bytes) {
    if (!write_all(kWorkerSocket, bytes, "to ksmsd")) ::_exit(1);
}

/// Reads orders, one per line.
class Orders {
public:
    explicit Orders(const std::atomic<int>& stop) : stop_(stop) {}

    /// @return nothing if no more will come: ksmsd has ended, or a signal arrived
    std::optional<std::string> next() {
        std::array<char, 65536> buffer{};
        while (true) {
            const auto end = text_.find('\n');
            if (end != std::string::npos) {
                auto line = text_.substr(0, end);
                text_.erase(0, end + 1);
                return line;
            }
            if (stop_ != 0) return std::nullopt;
            const auto got = ::read(kWorkerSocket, buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return std::nullopt;
            text_.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }

private:
    const std::atomic<int>& stop_;
    std::string text_;
};

/// For what cleans up once memory has run out: a destructor that cannot allocate ends the process.
std::atomic<std::byte*> reserve{nullptr};
constexpr std::size_t kReserve = 4 << 20;

void use_reserve() {
    delete[] reserve.exchange(nullptr);
    throw std::bad_alloc();
}

void keep_reserve() {
    if (reserve == nullptr) reserve = new (std::nothrow) std::byte[kReserve];
    std::set_new_handler(use_reserve);
}

RunEnd run(const std::string& line, const RunSink& sink, Workbench& bench,
           const std::atomic<int>& stop) {
    keep_reserve();
    RunEnd failed;
    try {
        auto order = read_order(line);
        if (order) return run_job(std::move(*order), sink, bench, stop);
        failed.error = error_object(order.error());
    } catch (const std::bad_alloc&) {
        failed.how = RunEnd::How::short_of;
        failed.what = "memory";
    } catch (const std::exception& exception) {
        failed.error = error_object({Code::failed, 0, exception.what(), {}});
    }
    return failed;
}

/// Prepares what the first job would wait for. Ignores errors: the job reports them.
void prepare(Workbench& bench, const std::string& pin_root) {
    try {
        if (const auto root = PinRoot::choose(pin_root, {})) [[maybe_unused]]
            const auto ready = bench.prepare(*root);
    } catch (const std::bad_alloc&) {
        return;  // there may be more later
    }
}

}  // namespace

int worker_main(pid_t parent, const std::string& pin_root) {
    if (!dies_with(parent)) return 0;
    ::prctl(PR_SET_NAME, "ksmsd-worker");
    ::setpriority(PRIO_PROCESS, 0, 0);  // ksmsd has priority
    ::fcntl(kWorkerSocket, F_SETFD, FD_CLOEXEC);
    keep_given(1);
    // Variables of whoever started ksmsd do not apply to jobs.
    ::unsetenv("KSMS_JOB_DSCP");
    ::unsetenv("SUDO_UID");
    const auto& stop = catch_signals();
    raise_descriptor_limit();
    const RunSink sink{
        [](std::string_view event, const nlohmann::json& data) { say(event_line(event, data)); },
        [](const std::string& document) {
            say(event_line("result", {{"size", document.size()}}));
            say(document);
        }};
    Workbench bench;
    prepare(bench, pin_root);
    Orders orders(stop);
    while (const auto line = orders.next())
        say(event_line("end", json_of(run(*line, sink, bench, stop))));
    return 0;
}

}  // namespace ksms
