// SPDX-License-Identifier: BSD-2-Clause
#include "judge/changes.hpp"

namespace ksms {

Change change_of(const RouterEvidence& seen) {
    const auto &in = seen.in, &out = seen.out;
    Change change;
    if (in.packets > 0 && out.seen_dscp != in.seen_dscp) change.dscp = out.seen_dscp;
    if (!out.translated) return change;
    // A probe that was translated before it came in is only what it was there.
    const Endpoint to{out.destination, out.destination_port}, from{out.source, out.source_port};
    if (out.destination_translated &&
        (!in.translated || to != Endpoint{in.destination, in.destination_port}))
        change.destination = to;
    if (out.source_translated && (!in.translated || from != Endpoint{in.source, in.source_port}))
        change.source = from;
    return change;
}

}  // namespace ksms
