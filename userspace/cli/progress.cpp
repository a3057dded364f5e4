// SPDX-License-Identifier: BSD-2-Clause
#include "cli/progress.hpp"

#include <fmt/format.h>

namespace ksms {
namespace {

constexpr std::uint64_t kQuietFor = 500'000'000;      // ns
constexpr std::uint64_t kWorthTelling = 500'000'000;  // ns

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

}  // namespace

std::string progress_text(const ScanProgress& progress) {
    auto text = fmt::format("{}: ", progress.stage);
    if (progress.sent > 0)
        text += fmt::format("{} of {} accounted for ({} sent), ", progress.accounted,
                            progress.probes, progress.sent);
    text += fmt::format("{:.1f} s", seconds(progress.elapsed_ns));
    if (progress.left_ns < kWorthTelling) return text;
    return text + fmt::format(", about {:.0f} s left", seconds(progress.left_ns));
}

void ProgressLine::show(const ScanProgress& progress) {
    if (progress.elapsed_ns >= kQuietFor) console_.progress(progress_text(progress));
    if (stage_ == progress.stage) return;
    stage_ = progress.stage;
    console_.step(
        fmt::format("{} (after {:.0f} ms)", progress.stage, seconds(progress.elapsed_ns) * 1000));
}

}  // namespace ksms
