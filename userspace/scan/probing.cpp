// SPDX-License-Identifier: BSD-2-Clause
// The stage that sends.
#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "evidence/so_far.hpp"
#include "probe/injector.hpp"
#include "probe/prober.hpp"
#include "registry/lease_keeper.hpp"
#include "retry/conntrack_cleaner.hpp"
#include "retry/policy_look.hpp"
#include "scan/judge_context.hpp"
#include "scan/stages.hpp"

namespace ksms {
namespace {

ProbeHeader header_of(const Round& round, const ScanLease& lease, std::uint8_t carried) {
    ProbeHeader header{round.request.source,
                       round.request.destination,
                       0,
                       lease.dscp(),
                       carried,
                       lease.generation(),
                       {}};
    std::ranges::copy(round.objects.config.values()[0].token_key, header.token_key.begin());
    return header;
}

Result<std::unique_ptr<Sender>> open_sender(const Round& round, const Planned& planned,
                                            ProbeHeader header) {
    if (planned.plan.isolated) {
        // No socket holds it: there is no source.
        header.source_port = planned.source_port;
        return std::make_unique<Injector>(round.objects, planned.plan, *planned.network, header);
    }
    // The one that the plan was asked with, as long as nobody has it.
    const auto next_port = [&round, port = planned.source_port, first = true]() mutable {
        return std::exchange(first, false) ? port : round.next_source_port();
    };
    return Prober::open(planned.plan, *planned.network, round.request.services, header, next_port);
}

Patience patience_of(const Round& round) {
    const auto& request = round.request;
    return {request.timeout, deadline_of(request, round.started), request.retries, request.rate_pps,
            round.started};
}

struct Looks {
    const Round& round;
    const Planned& planned;
    const Tapped& tapped;
    KernelNames& names;
    const std::vector<NeighbourState>& neighbours;
    Sender& sender;
    const ScanStore& store;
    ConntrackCleaner& quota;
    LeaseKeeper& keeper;
};

/// Sends and looks, turn by turn.
Result<CloserEvidence> send_all(const Looks& with, RetryLoop& loop) {
    auto& sent = loop.record();
    const auto& round = with.round;
    const auto& plan = with.planned.plan;
    const Collector collector(plan, with.tapped.slots, with.store, with.names);
    auto context = context_beforehand(plan, with.neighbours, with.planned.carried, true);
    context.assume_next_hop = round.request.assumes_next_hop();
    const auto patience = patience_of(round);
    const std::function<bool()> stopped = [&] {
        const auto* signal = round.hooks.stop;
        sent.interrupted |= signal != nullptr && signal->load() != 0;
        sent.out_of_time |= monotonic() >= patience.deadline;
        return sent.interrupted || sent.out_of_time || !with.keeper.keep();
    };
    const std::function<void()> clear = [&] { with.quota.clear(); };
    CloseLook look({round.objects, plan, *with.planned.network, with.store, collector, with.names,
                    with.sender, patience, context, stopped, clear},
                   sent);
    const bool looks = with.tapped.drops && TrailRecorder::is_possible(round.objects);
    while (const auto turn = loop.next_turn()) {
        if (looks && *turn == Turn::remembered) {
            KSMS_TRY(const auto unknown, look.run_first(loop.take_first_remembered()));
            loop.give_back(unknown);
        }
        KSMS_CHECK(loop.run(*turn));
        if (looks) KSMS_CHECK(look.run(*turn));
    }
    return look.take();
}

}  // namespace

Result<Probed> probe_services(const Round& round, const Planned& planned, const ScanLease& lease,
                              ScanArrays arrays, const Tapped& tapped, KernelNames& names) {
    const auto& network = planned.network;
    const auto& plan = planned.plan;
    const auto& services = round.request.services;
    KSMS_TRY(auto resolver, Resolver::run(plan, *network, round.guard, lease.dscp()));
    round.tell("probe", plan.path_of.size());
    KSMS_TRY(auto sender, open_sender(round, planned, header_of(round, lease, planned.carried)));
    KSMS_TRY(auto store,
             ScanStore::begin(round.objects, std::move(arrays), sender->header(), services,
                              static_cast<std::uint32_t>(plan.entries.size()), tapped.slots.store));
    if (round.hooks.armed) KSMS_CHECK(round.hooks.armed({plan, *network, sender->header()}));
    LeaseKeeper keeper(round.registry, lease.lease());
    auto quota = ConntrackCleaner::of(plan, *network, tapped.slots, store,
                                      round.objects.config.values()[0].active_scans);
    SoFar so_far(plan, services, Collector(plan, tapped.slots, store, names),
                 context_beforehand(plan, resolver.states(), planned.carried,
                                    static_cast<bool>(tapped.drops)),
                 round.hooks.so_far);
    PolicyLook policies(plan, *network, services, sender->header());
    RetryLoop loop(plan, tapped.slots, store, *sender, resolver, names, quota, patience_of(round),
                   {round.hooks.progress, round.hooks.stop}, keeper, so_far, policies);
    KSMS_TRY(auto closer, send_all({round, planned, tapped, names, resolver.states(), *sender,
                                    store, quota, keeper},
                                   loop));
    KSMS_TRY(auto sent, loop.finish());
    KSMS_CHECK(keeper.look());
    return Probed{std::move(store), resolver.states(), std::move(sent), std::move(closer)};
}

}  // namespace ksms
