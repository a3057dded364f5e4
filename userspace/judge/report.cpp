// SPDX-License-Identifier: BSD-2-Clause
#include "judge/report.hpp"

#include <algorithm>

namespace ksms {

const char* name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::yes: return "YES";
        case Verdict::no: return "NO";
        case Verdict::mixed: return "MIXED";
        case Verdict::unknown: break;
    }
    return "UNKNOWN";
}

const char* name_of(ScanState state) {
    switch (state) {
        case ScanState::done: return "done";
        case ScanState::partial: return "partial";
        case ScanState::interrupted: break;
    }
    return "interrupted";
}

void add_answer(const ServiceReport& one, const ServiceReport& first, ServiceReport& all) {
    if (one.result != first.result) all.result = Verdict::mixed;
    if (!same_answer(one, first)) {
        all.cause = {.why = Why::by_entry};
        all.changes = 0;
    }
    all.notes.add(one.notes);
    all.sent = std::max(all.sent, one.sent);
    if (one.arrival.known() && !all.arrival.reached) all.arrival = one.arrival;
}

std::uint32_t count(const std::vector<ServiceReport>& services, Verdict verdict) {
    return static_cast<std::uint32_t>(
        std::ranges::count(services, verdict, &ServiceReport::result));
}

bool same_answer(const ServiceReport& one, const ServiceReport& other) {
    return one.result == other.result && one.cause == other.cause && one.changes == other.changes &&
           one.arrival == other.arrival && (one.cause.why != Why::lost || one.sent == other.sent);
}

}  // namespace ksms
