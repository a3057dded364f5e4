// SPDX-License-Identifier: BSD-2-Clause
// Sends probes from the source's namespaces: marked from the first packet, in batches; raw where
// that goes the way of a real packet, else from a socket of their protocol.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "judge/plan.hpp"
#include "probe/probe_packet.hpp"
#include "probe/sender.hpp"
#include "route/network.hpp"

namespace ksms {

class Prober : public Sender {
public:
    /// Opens a raw socket in every entry's namespace and reserves the source port there (a TCP and
    /// a UDP socket bound to it, so that no other program of that host is given our answers).
    /// @param plan  outlives the prober
    /// @param next_port  gives the next candidate; another is asked for where one is taken
    static Result<std::unique_ptr<Sender>> open(const Plan& plan, const Network& network,
                                                const std::vector<Service>& services,
                                                const ProbeHeader& header,
                                                const std::function<std::uint16_t()>& next_port);

    Result<std::vector<Refused>> send(std::span<const std::uint32_t> probes, std::uint64_t rate_pps,
                                      const std::function<bool(std::size_t done)>& stop) override;
    [[nodiscard]] const ProbeHeader& header() const override { return header_; }

private:
    enum class Way { raw, datagram, connection };
    struct Entry {
        Fd raw, tcp, udp;
        std::string name;
        std::unique_ptr<std::mutex> one_connection{std::make_unique<std::mutex>()};
    };
    [[nodiscard]] ProbeHeader header_of(std::size_t entry) const;
    [[nodiscard]] Way way(std::uint32_t probe) const;
    [[nodiscard]] bool together(std::uint32_t one, std::uint32_t other) const;
    Status reserve_port(const Plan& plan, const Network& network,
                        const std::function<std::uint16_t()>& next_port);
    Result<std::vector<Refused>> send_part(std::span<const std::uint32_t> probes,
                                           std::uint64_t rate_pps,
                                           const std::function<bool(std::size_t done)>& stop);
    Status send_batch(std::span<const std::uint32_t> probes, std::vector<Refused>& refused);
    Status send_messages(std::span<const std::uint32_t> probes, Way way,
                         std::vector<Refused>& refused);
    void send_connections(std::span<const std::uint32_t> probes, std::vector<Refused>& refused);

    std::vector<Entry> entries_;
    const Plan* plan_{nullptr};
    [[nodiscard]] const Service& service_of(std::uint32_t probe) const {
        return (*services_)[plan_->numbers().service(probe)];
    }

    const std::vector<Service>* services_{nullptr};
    ProbeHeader header_;
    Pace pace_;
};

}  // namespace ksms
