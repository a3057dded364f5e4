// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace ksms {

/// Raises the soft limit of descriptors to the hard one: a plan holds some three for each namespace
/// of the machine, and shells start with 1,024. A limit is never lowered.
void raise_descriptor_limit();

/// The soft limit that this process was started with. For a child before exec: programs that use
/// select(2) count on it. Safe between fork and exec.
void restore_descriptor_limit();

}  // namespace ksms
