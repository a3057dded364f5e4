// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace ksms {

/// Raises the soft limit of descriptors to the hard limit: a plan needs about three for each
/// namespace of the machine, and shells start with 1,024. Never lowers a limit.
void raise_descriptor_limit();

/// Restores the soft limit that this process was started with, for a child before exec: programs
/// that use select(2) need it. Safe between fork and exec.
void restore_descriptor_limit();

}  // namespace ksms
