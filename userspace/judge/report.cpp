// SPDX-License-Identifier: BSD-2-Clause
#include "judge/report.hpp"

namespace ksms {

const char* name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::yes: return "YES";
        case Verdict::no: return "NO";
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

}  // namespace ksms
