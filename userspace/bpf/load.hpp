// SPDX-License-Identifier: BSD-2-Clause
// The linked BPF object, loaded into the kernel. For the files of this room.
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

/// Over the linked object: whether the installed programs are this build's.
std::uint64_t object_hash();

/// Every program that this kernel can run. libbpf's own last words are in the error.
/// @param maps  a directory whose pinned maps are to be used; what is not pinned there is made
Result<Skeleton> load_object(const std::string& maps);

}  // namespace ksms
