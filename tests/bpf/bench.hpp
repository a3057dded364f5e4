// SPDX-License-Identifier: BSD-2-Clause
// The programs with maps of their own, unpinned; a scan to install in them and packets to run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/service.hpp"
#include "ksms/abi.h"
#include "packet/packet.hpp"

struct ksms_bpf;  // the skeleton
struct bpf_program;
struct bpf_map;

namespace ksms::test {

/// The programs that see packets.
struct TapProgram {
    const char* name;
    ksms_direction direction;
    ksms_tap_kind kind;
    std::uint32_t tap;  ///< its id; a test run's classid is 0, so clsact taps have that one
    int hands_on;       ///< what it has to return for every packet
};
extern const std::vector<TapProgram> tap_programs;

struct ScanSpec {
    std::uint32_t dscp{33}, generation{0x107};
    std::optional<std::uint8_t> carried{};  ///< none: the DSCP
    int family{4};
    ksms_store store{KSMS_STORE_HASH};
    std::uint32_t entries{2};
    std::vector<Service> services{
        {IPPROTO_TCP, 22}, {IPPROTO_TCP, 80}, {IPPROTO_UDP, 53}, {IPPROTO_UDP, 514}};
    [[nodiscard]] std::uint32_t probes() const {
        return entries * static_cast<std::uint32_t>(services.size());
    }
};

constexpr std::uint32_t scan_slot = 1, scan_slots = 2;
constexpr std::uint16_t scan_source_port = 40001;

class Bench {
public:
    /// @param prepare  called between open and load
    explicit Bench(const std::function<void(::ksms_bpf&)>& prepare = {});
    ~Bench();
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    [[nodiscard]] bool can_run(const TapProgram& program) const;

    void install(const ScanSpec& scan);
    /// The one tap of a program, on the loopback device of this namespace, which counts for `dscp`.
    void tap(const TapProgram& program, std::uint32_t dscp);
    /// Takes all scans, taps and figures away. Dense maps stay, empty, for the same scan: setting
    /// them into a map of maps waits for an RCU grace period.
    void clear();
    void set_active(std::uint32_t scans);

    [[nodiscard]] std::uint32_t seal(const ScanSpec& scan, std::uint32_t probe) const;
    /// The probe of entry 1 (of two) to the first service of a protocol.
    [[nodiscard]] PacketSpec probe(const ScanSpec& scan, std::uint8_t protocol = IPPROTO_TCP) const;
    [[nodiscard]] PacketSpec probe_of(const ScanSpec& scan, std::uint32_t entry,
                                      std::uint32_t service) const;

    /// Runs it and checks what holds for every packet: it is handed on, unchanged.
    /// @param came_in  index of the interface that it came in by; 0: it was made here
    void run(const TapProgram& program, const Bytes& frame, std::uint32_t gso_segments = 0,
             std::uint32_t came_in = 0) const;
    /// @return nanoseconds a packet
    [[nodiscard]] std::uint32_t time(const TapProgram& program, const Bytes& frame,
                                     int times) const;

    [[nodiscard]] std::optional<ksms_counter> counter(const ScanSpec& scan,
                                                      ksms_direction direction, std::uint32_t entry,
                                                      Service service) const;
    /// Counters that are not empty, of every scan.
    [[nodiscard]] std::size_t counters() const;
    [[nodiscard]] std::optional<ksms_translation> translation(const ScanSpec& scan,
                                                              ksms_direction direction,
                                                              std::uint32_t entry,
                                                              Service service) const;
    [[nodiscard]] std::optional<ksms_drop> drop(const ScanSpec& scan, std::uint32_t entry,
                                                Service service) const;
    [[nodiscard]] ksms_tap tap_figures(const TapProgram& program) const;
    [[nodiscard]] std::uint64_t stat(ksms_stat which) const;
    [[nodiscard]] std::uint32_t router() const { return router_; }
    [[nodiscard]] ::ksms_bpf& skeleton() const { return *skeleton_; }

private:
    struct Dense {
        ScanSpec scan;
        std::uint32_t counters_size, drops_size;
        Fd services, counters, drops;
    };
    [[nodiscard]] const bpf_program* program(const TapProgram& which) const;
    void install_services(const ScanSpec& scan);
    void install_dense(const ScanSpec& scan);
    [[nodiscard]] const Dense* dense(std::uint32_t dscp) const;

    ::ksms_bpf* skeleton_{nullptr};
    std::uint32_t router_{0};
    bool kernel_context_{false};
    std::vector<Dense> dense_;
};

}  // namespace ksms::test
