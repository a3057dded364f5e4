// SPDX-License-Identifier: BSD-2-Clause
#include "scan/changes.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

namespace ksms {
namespace {

constexpr std::string_view kRemarked = "remarked:", kTranslated = "translated:",
                           kSource = "translated-source:";

std::string endpoint(const Address& address, std::uint16_t port) {
    return address.family == AF_INET6 ? fmt::format("[{}]:{}", address.text(), port)
                                      : fmt::format("{}:{}", address.text(), port);
}

/// A probe that was translated before it came in is only what it was there.
std::vector<std::string> translations(const Sighting& in, const Sighting& out) {
    std::vector<std::string> notes;
    const bool here_destination = !in.translated || in.destination != out.destination ||
                                  in.destination_port != out.destination_port;
    const bool here_source =
        !in.translated || in.source != out.source || in.source_port != out.source_port;
    if (out.destination_translated && here_destination)
        notes.push_back(std::string(kTranslated) + endpoint(out.destination, out.destination_port));
    if (out.source_translated && here_source)
        notes.push_back(std::string(kSource) + endpoint(out.source, out.source_port));
    return notes;
}

}  // namespace

std::vector<std::string> change_notes(const RouterEvidence& seen) {
    std::vector<std::string> notes;
    if (seen.in.packets > 0 && seen.out.seen_dscp != seen.in.seen_dscp)
        notes.push_back(fmt::format("{}{}", kRemarked, seen.out.seen_dscp));
    if (!seen.out.translated) return notes;
    for (auto& note : translations(seen.in, seen.out)) notes.push_back(std::move(note));
    return notes;
}

std::string change_text(std::string_view router, std::string_view note) {
    if (note == "remarked:0") return fmt::format("bleached at {}", router);
    if (note.starts_with(kRemarked))
        return fmt::format("{}: remarked to dscp {}", router, note.substr(kRemarked.size()));
    if (note.starts_with(kTranslated))
        return fmt::format("{}: translated to {}", router, note.substr(kTranslated.size()));
    if (note.starts_with(kSource))
        return fmt::format("{}: source translated to {}", router, note.substr(kSource.size()));
    return {};
}

}  // namespace ksms
