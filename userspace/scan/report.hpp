// SPDX-License-Identifier: BSD-2-Clause
// The result of a scan as a value; text and JSON are two writers of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/name.hpp"
#include "base/service.hpp"

namespace ksms {

enum class Verdict { yes, no, unknown };
[[nodiscard]] const char* name_of(Verdict verdict);  ///< "YES", "NO", "UNKNOWN"

enum class ScanState { done, partial, interrupted };
[[nodiscard]] const char* name_of(ScanState state);

/// One router's answer for one service of one entry.
struct ServiceAtRouter {
    std::uint32_t service{0};  ///< index into Report::services
    Verdict result{Verdict::unknown};
    bool on_path{true};          ///< false: omitted in JSON, "." in text
    bool stopped_before{false};  ///< an earlier router stopped it: "-" in text
    std::uint32_t ingress_packets{0}, ingress_bytes{0};
    std::uint32_t egress_packets{0}, egress_bytes{0};
    std::uint32_t strangers{0};
    Name reason;  ///< NO: the kernel's; UNKNOWN: "lost", "stopped_before:R", "not_sent:WHY"; "":
                  ///< null
    Name place;   ///< kernel function; "": null
    Name hook;    ///< "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"; "": not known
    Name answer;  ///< what it sent back where it did not pass it on: "tcp-reset"; "": null
    Name egress_iface;  ///< where this service left, if it differs from the router's
    std::vector<std::string> notes;
};

/// A router once per entry, in path order.
struct RouterReport {
    std::string name;
    std::string iface;  ///< egress; "": null
    std::string ingress_iface;
    std::string entry;     ///< name of the source's namespace
    std::uint32_t hop{0};  ///< 1 is the first
    std::vector<ServiceAtRouter>
        services;  ///< all, in the order asked; those with on_path false included
};

/// End to end.
struct ServiceReport {
    Service service;
    Verdict result{Verdict::unknown};
    std::string stopped_at;  ///< router; "": null
    std::string reason;
    std::string place;
    std::string hook;
    std::string answer;  ///< of the router that it ended at
    std::vector<std::string> notes;
    std::uint32_t sent{0};  ///< how often the probe was sent
    std::string why;  ///< one line for the WHY column: "br-gw: firewall, FORWARD (NETFILTER_DROP)"
    std::optional<bool>
        reached;              ///< destination_reached; none: the destination is not on this machine
    std::string reached_why;  ///< "accepted, nobody listens"; "": null
};

struct Timing {
    double plan{0}, attach{0}, probe{0}, settle{0}, total{0};  ///< milliseconds
};

struct Report {
    ScanState state{ScanState::done};
    Address source, destination;
    std::vector<std::string> entries;  ///< names of the source's namespaces
    std::string mode{"path"};
    std::string job;
    std::uint8_t dscp{0};
    std::vector<ServiceReport> services;
    std::vector<RouterReport> routers;
    std::uint32_t yes{0}, no{0}, unknown{0};
    std::uint32_t router_count{0};  ///< different ones
    Timing timing;
    std::vector<std::string> warnings;  ///< for standard error and JSON's "warnings"
    std::string failure;                ///< why every verdict is UNKNOWN, "" otherwise
};

}  // namespace ksms
