// SPDX-License-Identifier: BSD-2-Clause
#include "cli/progress.hpp"

#include <fmt/format.h>

namespace ksms {
namespace {

constexpr std::chrono::milliseconds kQuietFor{500};
constexpr std::chrono::milliseconds kWorthTelling{500};

}  // namespace

std::string progress_text(const ScanProgress& progress) {
    auto text = fmt::format("{}: ", progress.stage);
    if (progress.sent > 0)
        text += fmt::format("{} of {} accounted for ({} sent), ", progress.accounted,
                            progress.probes, progress.sent);
    text += fmt::format("{:.1f} s", Seconds(progress.elapsed).count());
    if (progress.left < kWorthTelling) return text;
    return text + fmt::format(", about {:.0f} s left", Seconds(progress.left).count());
}

void ProgressLine::show(const ScanProgress& progress) {
    if (progress.elapsed >= kQuietFor) console_.progress(progress_text(progress));
    if (stage_ == progress.stage) return;
    stage_ = progress.stage;
    console_.step(fmt::format("{} (after {:.0f} ms)", progress.stage,
                              Seconds(progress.elapsed).count() * 1000));
}

}  // namespace ksms
