// SPDX-License-Identifier: BSD-2-Clause
// Loads the linked BPF object into the kernel. For the files of this room.
#pragma once

#include <ksms.skel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.hpp"

namespace ksms {

struct DestroySkeleton {
    void operator()(ksms_bpf* skeleton) const { ksms_bpf::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<ksms_bpf, DestroySkeleton>;

/// A hash of the linked object. Tells whether the installed programs are of this build.
std::uint64_t object_hash();

/// Loads all programs that this kernel can run. The error has the last output of libbpf.
/// @param maps  a directory whose pinned maps are used; missing ones are created
Result<Skeleton> load_object(const std::string& maps);

}  // namespace ksms
