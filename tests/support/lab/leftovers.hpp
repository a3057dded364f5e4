// SPDX-License-Identifier: BSD-2-Clause
// What a lab looks like to ip, tc, bpftool and the firewalls' own tools; two looks compared.
#pragma once

#include <map>
#include <string>

#include "lab/lab.hpp"

namespace ksms::lab {

/// What was looked at -> what was there. Counters and ages are left out.
using State = std::map<std::string, std::string>;

/// Qdiscs, filters, XDP, our temporary neighbours, BPF links and pins of the lab's root, entries
/// of its maps, files in the lab's directory.
State quick_state(const Lab& lab);
/// That, and links, addresses, routes, rules, firewall rules of every node, permanent neighbours.
State full_state(const Lab& lab);

/// @return "": the same; else one line for each thing that differs
std::string difference(const State& before, const State& after);

/// Waits until the quick state is `before` again.
/// @return what still differs when nobody waits any longer
std::string left_after(const Lab& lab, const State& before);

/// The DSCPs of scans whose taps count now; "": there is none. Part of the quick state, for who
/// waits for a scan to begin: the whole takes longer than some scans.
std::string active_scans(const Lab& lab);

/// Probes that one tap has seen by now: the most of all taps. For who waits until a scan has come
/// so far.
long probes_seen(const Lab& lab);

/// `bpftool -j map dump pinned ROOT/NAME`: an array; null where it failed.
std::string dump_map(const Lab& lab, const std::string& name);

}  // namespace ksms::lab
