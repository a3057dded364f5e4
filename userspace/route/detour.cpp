// SPDX-License-Identifier: BSD-2-Clause
#include "route/detour.hpp"

#include <algorithm>

#include "base/dscp.hpp"
#include "route/tracer.hpp"

namespace ksms {
RouteQuestion question_behind(const ScanRequest& request, std::uint16_t source_port,
                              const Departure& departure) {
    const auto& service = request.services[departure.service];
    const auto to = departure.to.value_or(Endpoint{request.destination, service.port});
    RouteQuestion question;
    question.source = request.source;
    question.destination = to.address;
    question.destination_port = to.port;
    question.source_port = source_port;
    question.protocol = service.protocol;
    question.iif = departure.ingress;
    question.tos = Dscp(departure.dscp).tos();
    return question;
}

Result<std::size_t> number_of(Network& network, ino_t inode) {
    for (std::size_t number = 0; number < network.size(); ++number)
        if (network.netns(number).inode() == inode) return number;
    return fail(Code::not_found, "a router's namespace is gone");
}

DetourLook::DetourLook(Network& network, const Plan& plan, const ScanRequest& request,
                       std::uint16_t source_port, const std::vector<Detour>& known)
    : network_(network), plan_(plan), request_(request), source_port_(source_port), known_(known) {}

/// A namespace that cannot be asked may look at them.
bool DetourLook::routed_by_port() {
    for (std::size_t number = 0; number < network_.size(); ++number) {
        const auto rules = network_.rules(number, request_.source.family);
        if (!rules || looks_at_ports(**rules)) return true;
    }
    return false;
}

/// 65,535 services that go one way are one question, unless a route may tell their ports apart.
DetourLook::Key DetourLook::key_of(const Detour& detour) {
    if (!by_port_) by_port_ = routed_by_port();
    const auto& question = detour.question;
    return {detour.netns,
            detour.egress,
            question.iif,
            question.destination,
            question.protocol,
            question.tos,
            *by_port_ ? question.destination_port : std::uint16_t{0}};
}

Result<bool> DetourLook::look(const Detour& detour) {
    KSMS_TRY(const auto from, number_of(network_, detour.netns));
    constexpr std::uint8_t no_tos = 0;  // the detour's question has it
    Tracer tracer(network_, request_.source, request_.destination, no_tos, source_port_);
    KSMS_CHECK(tracer.explore_detour(from, detour));
    for (const auto number : tracer.routers()) {
        const auto inode = network_.netns(number).inode();
        if (std::ranges::none_of(plan_.routers, [inode](const PlanRouter& router) {
                return router.netns.inode() == inode;
            }))
            return true;
    }
    return false;
}

Result<bool> DetourLook::leads_to_unwatched(const Departure& departure) {
    const Detour detour{plan_.routers[departure.router].netns.inode(), departure.egress,
                        question_behind(request_, source_port_, departure)};
    const auto key = key_of(detour);
    if (const auto known = looked_up_.find(key); known != looked_up_.end()) return known->second;
    KSMS_TRY(const bool unwatched, look(detour));
    const bool known =
        std::ranges::any_of(known_, [&](const Detour& each) { return key_of(each) == key; });
    if (unwatched && !known) found_.push_back(detour);
    return looked_up_[key] = unwatched;
}

}  // namespace ksms
