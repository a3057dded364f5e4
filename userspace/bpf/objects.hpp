// SPDX-License-Identifier: BSD-2-Clause
// The installed programs and maps, opened from their pins.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpf/map.hpp"
#include "bpf/pin_root.hpp"
#include "bpf/registry_pins.hpp"
#include "ksms/abi.h"

namespace ksms {

/// The programs of the linked object, in the order of their names there.
enum class Program {
    clsact_ingress,  ///< SEC("tc"), knows its tap by the filter's classid
    clsact_egress,
    tcx_ingress,  ///< needs bpf_cast_to_kern_ctx (6.2) and TCX (6.6)
    tcx_egress,
    xdp_ingress,        ///< needs bpf_cast_to_kern_ctx
    netfilter_ingress,  ///< BPF_PROG_TYPE_NETFILTER (6.4)
    netfilter_egress,
    netfilter_local_in,  ///< records what passed LOCAL_IN
    netfilter_post_routing,
    drop,      ///< tp_btf/kfree_skb; a link's cookie is the DSCP it looks for
    trail_in,  ///< tp_btf; these four record trails, with the same cookie
    trail_out,
    trail_consumed,
    trail_dropped,
    lease,      ///< SEC("syscall"), context struct ksms_registry_call
    setup,      ///< SEC("syscall"): the timers of the leases
    exit,       ///< tp_btf/sched_process_exit: frees the leases of a dead owner
    keep,       ///< SEC("cgroup/sysctl"): never run, see bpf/keeper.hpp
    thread_id,  ///< SEC("syscall"): returns the caller's thread, the key of injections
    inject,     ///< SEC("xdp"), run with live frames
    symbol,     ///< SEC("syscall"), context struct ksms_symbol_call
    count_
};
[[nodiscard]] const char* name_of(
    Program program);  ///< its function's name, and its pin: "ksms_clsact_ingress"

/// All pinned maps and programs. Opening takes about 20 system calls; installing (once per boot)
/// parses the kernel's BTF.
class Objects {
public:
    using Missing = ksms::Missing;

    /// Opens the pins. If there are none (Missing::install) it mounts the BPF file system if
    /// necessary, loads the object, pins everything in a directory beside the root and renames that
    /// into place, so that concurrent installers end up with the same objects. Replaces programs of
    /// another build (config.object_hash) and keeps the maps.
    /// @return Code::failed if config.abi differs, naming both versions and the remedy;
    /// Code::not_allowed without CAP_BPF; Code::not_found with Missing::fail if nothing is
    /// installed
    static Result<Objects> open(const PinRoot& root, Missing missing = Missing::install);

    [[nodiscard]] const PinRoot& root() const { return root_; }
    /// Whether these are still the pinned ones. Another build or a removal of the pins changes
    /// that.
    [[nodiscard]] bool is_current() const;
    /// @return -1 if this kernel cannot run it
    [[nodiscard]] int program(Program which) const;
    [[nodiscard]] std::string pin_path(const std::string& name) const;

    RegistryPins registry;
    Map<std::uint32_t, ksms_scan> scans;
    Map<ksms_scan_router_key, ksms_scan_router> scan_routers;
    Map<ksms_service_key, ksms_service_value> services;
    Map<ksms_service_number_key, ksms_service_number_value> service_numbers;
    Map<ksms_counter_key, ksms_counter> counters;
    Map<ksms_counter_key, ksms_translation> translations;
    Map<ksms_drop_key, ksms_drop> drops;
    Map<ksms_trail_key, ksms_event> trail;
    Map<std::uint64_t, ksms_followed> followed;
    Map<std::uint32_t, ksms_tap> taps;
    Map<ksms_tap_id_key, std::uint32_t> tap_ids;
    Map<std::uint32_t, ksms_injection> injections;
    Map<std::uint32_t, std::uint64_t> stats;
    Map<ksms_journal_key, ksms_journal_entry> journal;
    Map<std::uint32_t, std::uint32_t>
        dense_services;  ///< array of maps: reads return a map id, writes take a descriptor
    Map<std::uint32_t, std::uint32_t> dense_counters;
    Map<std::uint32_t, std::uint32_t> dense_drops;
    Map<std::uint32_t, ksms_reason_name> reasons;  ///< filled at installation
    MappedArray<ksms_trail_end> trail_ends;        ///< one for each DSCP
    MappedArray<ksms_config> config;  ///< one element; shared with every process and the programs

private:
    PinRoot root_;
    std::uint64_t inode_{0};  ///< of the pin of config
    std::uint64_t object_hash_{0};
    std::array<Fd, static_cast<std::size_t>(Program::count_)> programs_;
};

/// The dense store of a scan: three inner maps, mapped into memory and entered in the maps of maps
/// at index `dscp`. Pinned in the last step, so that a crash leaves nothing that the journal
/// (KSMS_DID_SCAN) does not know.
struct DenseStore {
    MappedArray<std::uint64_t> services;  ///< see abi.h
    MappedArray<ksms_counter> counters;   ///< [(slot * 2 + direction) * probes + probe]
    MappedArray<ksms_drop> drops;         ///< [slot * probes + probe]
    std::uint32_t probes{0};
    static Result<DenseStore> create(const Objects& objects, std::uint32_t dscp,
                                     std::uint32_t services, std::uint32_t probes,
                                     std::uint32_t routers);
};

/// Writes the slot, then sets the scan's bit in config.active_scans: the taps start to count.
Status begin_scan(const Objects& objects, std::uint32_t dscp, const ksms_scan& scan);

/// Removes all entries of a scan from the maps: slot, routers, services, counters, translations,
/// drops, dense maps. Idempotent. Does nothing if the slot is active for another generation.
Status clear_scan(const Objects& objects, std::uint32_t dscp, std::uint32_t generation);

/// Removes the pins of this root and the directory. Code::failed while a scan or a standing tap
/// uses them.
Status uninstall(const PinRoot& root);

}  // namespace ksms
