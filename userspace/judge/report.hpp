// SPDX-License-Identifier: BSD-2-Clause
// The result of a scan as a value; text and JSON are two writers of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/indexed.hpp"
#include "base/service.hpp"
#include "judge/cause.hpp"
#include "judge/note.hpp"
#include "judge/trail.hpp"

namespace ksms {

enum class Verdict : std::uint8_t {
    yes,
    no,
    unknown,
    mixed  ///< end to end only: the entries have different ones
};
[[nodiscard]] const char* name_of(Verdict verdict);  ///< "YES", "NO", "UNKNOWN", "MIXED"

enum class ScanState { done, partial, interrupted };
[[nodiscard]] const char* name_of(ScanState state);

/// One router's answer for one service of one entry. It owns no memory: a scan has one for each
/// router and service.
struct ServiceAtRouter {
    std::uint32_t service{0};  ///< index into Report::services
    Verdict result{Verdict::unknown};
    bool on_path{true};  ///< false: omitted in JSON, "." in text
    Why why{Why::nothing};
    RouterIndex stopped_by{kNoRouter};  ///< of Why::stopped_before
    DropSite dropped{};
    Reply reply{};             ///< what it sent back where it did not pass it on
    TextIndex text{kNoText};   ///< as Cause::text
    TextIndex iface{kNoText};  ///< where this service left, if it differs from the router's
    Notes notes;
    std::uint32_t change{0};  ///< index into Report::changes; 0: none
    std::uint32_t ingress_packets{0}, ingress_bytes{0};
    std::uint32_t egress_packets{0}, egress_bytes{0};
    std::uint32_t strangers{0};
    [[nodiscard]] bool stopped_before() const { return why == Why::stopped_before; }
    bool operator==(const ServiceAtRouter&) const = default;
};
static_assert(sizeof(ServiceAtRouter) <= 52);

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

/// A router, and what it changed.
using ChangeAt = std::pair<RouterIndex, std::uint32_t>;  ///< index into Report::changes

/// One line of a probe's trail.
struct TrailRow {
    Milliseconds at{0};  ///< since its first event
    std::string router;  ///< name of the namespace; its inode where nobody has named it
    std::string iface;
    TrailEvent::Kind kind{TrailEvent::Kind::came_in};
    bool copy{false};     ///< of another packet with the same token: judges nothing
    bool wrapped{false};  ///< in another packet; the three below are not known
    std::uint8_t dscp{0};
    Endpoint source, destination;
    DropSite dropped{};  ///< of Kind::dropped
};
struct ProbeTrail {
    std::uint32_t service{0};  ///< index into Report::services
    std::string entry;
    std::vector<TrailRow> rows;
};

/// End to end.
struct ServiceReport {
    Service service;
    Verdict result{Verdict::unknown};
    Cause cause{};
    Notes notes;
    std::uint32_t changes{0};      ///< on the way that decides: into Report::change_lists; 0: none
    std::uint32_t all_changes{0};  ///< on the ways of all entries, likewise
    std::uint32_t sent{0};         ///< how often the probe was sent
    bool by_class{false};          ///< it was not probed itself: the answer is that of its class
    Arrival arrival{};
    bool operator==(const ServiceReport&) const = default;
};

/// What a reader would call the same answer: result, reason, changes, and what the destination did.
[[nodiscard]] bool same_answer(const ServiceReport& one, const ServiceReport& other);

/// Adds another entry's answer to that of all together. Where they are not the same it names none.
/// @param first  what `all` began with
void add_answer(const ServiceReport& one, const ServiceReport& first, ServiceReport& all);
[[nodiscard]] std::uint32_t count(const std::vector<ServiceReport>& services, Verdict verdict);

/// One of several entries.
struct EntryReport {
    std::string name;                     ///< of the source's namespace
    std::vector<ServiceReport> services;  ///< as Report::services
};

struct Timing {
    Milliseconds plan{0}, attach{0}, probe{0}, settle{0}, total{0};
};

struct Report {
    ScanState state{ScanState::done};
    Address source, destination;
    std::vector<std::string> entries;  ///< names of the source's namespaces
    std::string mode{"path"};
    std::string job;
    std::uint8_t dscp{0};
    std::uint8_t carried_dscp{0};         ///< what the probes had: the DSCP, or that of --as-dscp
    std::vector<ServiceReport> services;  ///< of all entries together
    std::vector<EntryReport> by_entry;    ///< in the order of `entries`; empty where there is one
    std::vector<RouterReport> routers;
    std::uint32_t yes{0}, no{0}, unknown{0}, mixed{0};
    std::uint32_t router_count{0};        ///< different ones
    std::optional<std::uint32_t> probed;  ///< --classes: services that were probed themselves
    Timing timing;
    std::vector<std::string> warnings;  ///< for standard error and JSON's "warnings"
    std::vector<ProbeTrail> trails;     ///< of the probes that were followed, in their order

    // What services name by index, so that 65,535 of them own no memory.
    Indexed<RouterIndex, std::string> router_names;
    KernelWords words;
    Indexed<TextIndex, std::string> texts{""};
    std::vector<Change> changes{{}};
    std::vector<std::vector<ChangeAt>> change_lists{{}};

    [[nodiscard]] bool all_unknown() const { return unknown == services.size() && unknown > 0; }
};

}  // namespace ksms
