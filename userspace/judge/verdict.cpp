// SPDX-License-Identifier: BSD-2-Clause
#include "judge/verdict.hpp"

#include <algorithm>
#include <ranges>

#include "judge/changes.hpp"
#include "judge/delivery.hpp"
#include "judge/dropped_behind.hpp"
#include "judge/empty_row.hpp"
#include "judge/end_to_end.hpp"
#include "judge/memory.hpp"
#include "judge/walk.hpp"

namespace ksms {
namespace {

/// Judges one probe, router by router along its walk.
class Judge {
public:
    Judge(const Plan& plan, std::size_t entry, std::size_t service, const ProbeEvidence& evidence,
          const JudgeContext& context)
        : plan_(plan),
          entry_(entry),
          evidence_(evidence),
          context_(context),
          probe_(plan.numbers().probe(entry, service)),
          service_(static_cast<std::uint32_t>(service)),
          path_(plan.paths[plan.path_of[probe_]]),
          memory_(plan, probe_, evidence) {}

    ProbeVerdict run() {
        if (evidence_.given_another) return nothing_judged(Why::given_another);
        if (evidence_.out_of_looks) return nothing_judged(Why::not_looked_at);
        if (went_astray()) return nothing_judged(Why::another_way);
        const auto steps = walk(plan_, entry_, path_, evidence_);
        for (const auto& router : evidence_.routers) {
            last_sight_ = std::max({last_sight_, router.in.last, router.out.last});
            in_circles_ |= router.in.packets > evidence_.sent_for_sights();
        }
        for (std::size_t at = 0; at < steps.size(); ++at) {
            const bool later_seen = std::any_of(
                steps.begin() + static_cast<long>(at) + 1, steps.end(),
                [&](const WalkStep& step) { return evidence_.routers[step.router].saw(); });
            const bool beside = plan_.isolated && seen_beside(evidence_, steps[at].router);
            judge_router(steps[at], later_seen || beside || evidence_.destination.packets > 0,
                         at + 1 == steps.size());
            if (at > 0 && has_gap(plan_, path_, evidence_, steps[at - 1], steps[at]))
                ask(NetworkQuestion::What::unwatched, steps[at - 1].router);
        }
        return conclude();
    }

private:
    /// It left the source by another interface than a real packet: what became of it says nothing.
    bool went_astray() const {
        return path_.leaves.ifindex != 0 && evidence_.source.packets > 0 &&
               evidence_.source.ifindex != path_.leaves.ifindex;
    }

    ProbeVerdict nothing_judged(Why why) {
        for (const auto& hop : path_.hops) {
            if (std::ranges::find(verdict_.walk, hop.router, &ProbeVerdict::AtRouter::router) !=
                verdict_.walk.end())
                continue;
            auto row = row_of({hop.router, hop.ingress, hop.egress, hop.local});
            if (unknown(row, why) && why == Why::another_way) say_which_way();
            verdict_.walk.push_back(std::move(row));
        }
        return conclude();
    }

    void say_which_way() {
        const auto& entry = plan_.entries[entry_];
        verdict_.netns = entry.netns.name();
        verdict_.text = path_.leaves.name;
        const auto by =
            std::ranges::find(entry.interfaces, evidence_.source.ifindex, &PlanInterface::ifindex);
        if (by != entry.interfaces.end()) verdict_.iface = by->name;
    }

    ProbeVerdict::AtRouter row_of(const WalkStep& step) const {
        return empty_row(plan_, entry_, service_, evidence_, step, verdict_.walk.size());
    }

    void judge_router(const WalkStep& step, bool seen_behind, bool last) {
        auto row = row_of(step);
        const auto& seen = evidence_.routers[step.router];
        if (stopped_by_ != kNoRouter && !(in_circles_ && seen.out.packets > 0)) {
            row.answer.why = Why::stopped_before;
            row.answer.stopped_by = stopped_by_;
        } else if (seen.saw()) {
            came_in(step, seen, seen_behind, last, row);
            if (row.answer.result == Verdict::yes) doubt(row, memory_.of_pass(step.router));
        } else if (seen.drop.count > 0) {
            no(row, step, seen.drop);
        } else {
            never_came(row, seen_behind);
        }
        if (row.answer.result == Verdict::no || row.answer.why == Why::next_hop_missing)
            stopped_by_ = static_cast<RouterIndex>(step.router);
        verdict_.walk.push_back(std::move(row));
    }

    void came_in(const WalkStep& step, const RouterEvidence& seen, bool seen_behind, bool last,
                 ProbeVerdict::AtRouter& row) {
        if (seen.out.packets > 0) {
            went_out(step, seen, seen_behind, last, row);
        } else if (seen_behind) {
            row.answer.result = Verdict::yes;  // a foreign program hid it from the egress tap
        } else if (step.local) {
            delivered(step, seen, row);
        } else if (seen.reply.syn_ack() && seen.drop.count < seen.in.packets) {
            proxied(seen, row);
        } else if ((seen.accepted || seen.outer_accepted) && seen.drop.count == 0) {
            note(row, Note::redirected);
            unknown(row, Why::redirected);
        } else if (seen.drop.count > 0 && !seen.drop.is.unresolved) {
            no(row, step, seen.drop);
        } else if (is_broken(step.router)) {
            taps_gone(row);
        } else if (context_.missing_gateways.contains({step.router, step.egress.ifindex})) {
            gateway_missing(row, step);
        } else if (seen.drop.count == 0 && context_.cut_short()) {
            ended_before(row);
        } else if (evidence_.own && seen.drop.is.unresolved) {
            next_hop_silent(step, seen, row);
        } else if (seen.drop.count == 0 && evidence_.own) {
            kept(step, seen, row);
        } else {
            no(row, step, seen.drop);
        }
    }

    /// It came in, and neither left nor was dropped.
    void kept(const WalkStep& step, const RouterEvidence& seen, ProbeVerdict::AtRouter& row) {
        if (evidence_.held && seen.out.ifindex != 0 &&
            ask(NetworkQuestion::What::silent, step.router))
            next_hop_silent(step, seen, row);
        else
            unknown(row, evidence_.held ? Why::held : Why::no_word);
    }

    void next_hop_silent(const WalkStep& step, const RouterEvidence& seen,
                         ProbeVerdict::AtRouter& row) {
        auto left = step;
        if (seen.out.ifindex != 0) left.egress.ifindex = seen.out.ifindex;
        gateway_missing(row, left);
    }

    /// Consumed without a drop, and answered in the destination's place: the router stopped
    /// nothing, and what it does once a handshake is complete no SYN tells.
    void proxied(const RouterEvidence& seen, ProbeVerdict::AtRouter& row) {
        note(row, Note::synproxy);
        row.answer.reply = seen.reply;
        unknown(row, Why::proxied);
    }

    void went_out(const WalkStep& step, const RouterEvidence& seen, bool seen_behind, bool last,
                  ProbeVerdict::AtRouter& row) {
        if (!seen_behind && is_next_hop_silent(step.router)) {
            gateway_missing(row, step);
            return;
        }
        if (dropped_behind(seen, evidence_.sent_for_sights(), in_circles_, last_sight_,
                           seen_behind)) {
            no(row, step, seen.drop);
            return;
        }
        row.answer.result = Verdict::yes;
        limit_note(seen, row);
        row.change = change_of(seen);
        if (last && context_.faked_neighbours.contains({step.router, step.egress.ifindex}))
            note(row, Note::neighbour_faked);
    }

    bool is_next_hop_silent(std::size_t router) {
        return context_.before_neighbours(router) && !evidence_.own &&
               last_to_see(evidence_) == &evidence_.routers[router] &&
               ask(NetworkQuestion::What::silent, router);
    }

    /// @return the answer; false where it is not known yet
    bool ask(NetworkQuestion::What what, std::size_t router) {
        const NetworkQuestion question{
            what, departure_from(router, service_, evidence_.routers[router], context_.dscp)};
        const auto known = context_.answers.find(question);
        if (known != context_.answers.end()) return known->second;
        verdict_.open.push_back(question);
        return false;
    }

    /// It was seen behind POST_ROUTING, by a trail or by a tap there, and no translation led it.
    bool passed_all_rules(std::size_t router) const {
        const auto& seen = evidence_.routers[router];
        if (seen.out.destination_translated) return false;
        return evidence_.own ? seen.out.ifindex != 0
                             : context_.before_neighbours(router) && seen.out.packets > 0;
    }

    void gateway_missing(ProbeVerdict::AtRouter& row, const WalkStep& step) {
        note(row, Note::next_hop_missing);
        if (context_.assume_next_hop && passed_all_rules(step.router)) {
            row.answer.result = Verdict::yes;
            row.change = change_of(evidence_.routers[step.router]);
        } else if (unknown(row, Why::next_hop_missing)) {
            verdict_.iface = egress_name(plan_, path_, step);
        }
    }

    /// Stopped in the burst, passed alone.
    void limit_note(const RouterEvidence& seen, ProbeVerdict::AtRouter& row) {
        if (evidence_.tried_again > 0 && seen.drop.count > 0) note(row, Note::rate_limited);
    }

    /// The router itself is the destination: what the kernel did not drop, it accepted.
    void delivered(const WalkStep& step, const RouterEvidence& seen, ProbeVerdict::AtRouter& row) {
        note(row, Note::local);
        const auto delivery = delivery_of(seen.in, seen.drop, seen.reply, context_.drops_seen);
        if (evidence_.tried_again > 0 && seen.in.packets > seen.drop.count) {
            accepted(step, seen, delivery == Delivery::refused ? Delivery::taken : delivery, row);
            limit_note(seen, row);
        } else if (evidence_.own && seen.drop.is.unresolved) {
            next_hop_silent(step, seen, row);
        } else if (delivery == Delivery::refused) {
            no(row, step, seen.drop);
        } else if (seen.drop.count == 0 && !seen.reply && context_.cut_short()) {
            ended_before(row);
        } else if (evidence_.held && !seen.accepted && (context_.accepted_seen || !seen.reply)) {
            kept(step, seen, row);
        } else if (delivery == Delivery::unknown) {
            if (unknown(row, Why::no_word)) verdict_.cause.reply = seen.reply;
        } else {
            accepted(step, seen, delivery, row);
            if (delivery == Delivery::unheard) note(row, Note::no_listener);
        }
    }

    void accepted(const WalkStep& step, const RouterEvidence& seen, Delivery delivery,
                  ProbeVerdict::AtRouter& row) {
        row.answer.result = Verdict::yes;
        verdict_.arrival = {Arrival::By::router, true,       delivery,
                            site_of(seen.drop),  seen.reply, kNoText};
        // A router before it of which nothing is known keeps the service UNKNOWN, and says why.
        if (verdict_.cause.why != Why::nothing) return;
        verdict_.cause.why = Why::delivered;
        verdict_.cause.router = static_cast<RouterIndex>(step.router);
    }

    void never_came(ProbeVerdict::AtRouter& row, bool seen_behind) {
        const bool first = verdict_.walk.empty();
        if (const auto& not_sent = evidence_.not_sent; not_sent.why != Why::nothing) {
            row.text = not_sent.text;
            if (unknown(row, not_sent.why)) verdict_.text = not_sent.text;
        } else if (!plan_.isolated && evidence_.source_drop.count > 0 && first) {
            source_dropped(row);
        } else if (is_broken(row.router)) {
            taps_gone(row);
        } else if (seen_behind) {
            unknown(row, Why::past_its_taps);
        } else if (first && evidence_.source.packets == 0 &&
                   entry_ < context_.source_gateway_missing.size() &&
                   context_.source_gateway_missing[entry_]) {
            note(row, Note::next_hop_missing);
            if (unknown(row, Why::source_next_hop_missing))
                verdict_.netns = plan_.entries[entry_].netns.name();
        } else if (evidence_.segment_drop.count > 0) {
            note(row, Note::dropped_before_router);
            if (unknown(row, Why::before_router))
                verdict_.cause.dropped = site_of(evidence_.segment_drop);
        } else if (context_.cut_short()) {
            ended_before(row);
        } else {
            unknown(row, Why::lost);
        }
    }

    void source_dropped(ProbeVerdict::AtRouter& row) {
        if (evidence_.source_drop.by_firewall()) note(row, Note::source_firewall);
        const auto dropped = site_of(evidence_.source_drop);
        row.answer.dropped = dropped;
        if (!unknown(row, Why::source_dropped)) return;
        verdict_.cause.dropped = dropped;
        verdict_.netns = plan_.entries[entry_].netns.name();
    }

    bool is_broken(std::size_t router) const {
        return router < context_.broken_routers.size() && !context_.broken_routers[router].empty();
    }

    /// What was counted counts; what was not may have passed a place where a tap had stood.
    void taps_gone(ProbeVerdict::AtRouter& row) {
        note(row, Note::taps_gone);
        if (unknown(row, Why::taps_gone)) verdict_.text = context_.broken_routers[row.router];
    }

    void ended_before(ProbeVerdict::AtRouter& row) {
        unknown(row, context_.interrupted ? Why::interrupted : Why::deadline);
    }

    /// For a rule that may have answered so because of the scan itself; "": there is none.
    /// @return whether there is
    bool doubt(ProbeVerdict::AtRouter& row, std::string_view rule) {
        if (rule.empty()) return false;
        row.text = rule;
        if (unknown(row, Why::remembered)) verdict_.text = rule;
        return true;
    }

    void no(ProbeVerdict::AtRouter& row, const WalkStep& step, const Drop& drop) {
        if (evidence_.undecided) {
            note(row, Note::rate_limited);
            unknown(row, Why::rate_limited);
            return;
        }
        if (doubt(row, memory_.of_stop(row.router, drop))) return;
        row.answer.result = Verdict::no;
        row.answer.why = Why::dropped;
        row.answer.dropped = site_of(drop);
        row.answer.reply = evidence_.routers[step.router].reply;
        if (is_rejected(row.answer.dropped, row.answer.reply)) note(row, Note::rejected);
        auto& cause = verdict_.cause;
        cause = {};
        cause.why = Why::dropped;
        cause.router = static_cast<RouterIndex>(step.router);
        cause.dropped = row.answer.dropped;
        cause.reply = row.answer.reply;
        cause.loop = in_circles_;
        // Back the way it came, the kernel's packet looks the same at both.
        cause.hairpin = step.ingress.ifindex != 0 && step.ingress.ifindex == step.egress.ifindex;
        // The prediction knows by what route it ends.
        const bool refused = path_.end == PathEnd::refused && !path_.refusal.empty() &&
                             path_.hops.back().router == step.router &&
                             (drop.count == 0 || drop.by_routing());
        verdict_.text = refused ? std::string_view(path_.refusal) : std::string_view();
    }

    /// @return whether this is what the whole service ends at: the first router that does not know
    ///         says why
    bool unknown(ProbeVerdict::AtRouter& row, Why why) {
        row.answer.result = Verdict::unknown;
        row.answer.why = why;
        auto& cause = verdict_.cause;
        if (cause.why != Why::nothing && cause.why != Why::delivered) return false;
        cause = {};
        cause.why = why;
        cause.router = static_cast<RouterIndex>(row.router);
        return true;
    }

    void note(ProbeVerdict::AtRouter& row, Note which) {
        row.answer.notes.add(which);
        verdict_.notes.add(which);
    }

    ProbeVerdict conclude() {
        end_to_end(plan_, probe_, evidence_, context_, verdict_);
        // What the host that owns the destination got has arrived by whatever way.
        if (leads_to_unwatched() && evidence_.destination.packets == 0) {
            verdict_.result = Verdict::unknown;
            verdict_.cause = {.why = Why::unwatched};
        }
        return std::move(verdict_);
    }

    /// It left the last router that saw it by a way that the plan does not know: translated, or let
    /// through where its route would have refused it.
    bool leads_to_unwatched() {
        if (plan_.isolated || verdict_.result == Verdict::no) return false;
        const auto rows = std::ranges::reverse_view(verdict_.walk);
        const auto last = std::ranges::find_if(
            rows, [&](const auto& row) { return evidence_.routers[row.router].saw(); });
        if (last == rows.end()) return false;
        const auto& seen = evidence_.routers[last->router];
        return seen.out.packets > 0 && !left_as_planned(path_, last->router, seen) &&
               ask(NetworkQuestion::What::unwatched, last->router);
    }

    const Plan& plan_;
    std::size_t entry_;
    const ProbeEvidence& evidence_;
    const JudgeContext& context_;
    std::size_t probe_;
    std::uint32_t service_;
    const PlanPath& path_;
    ProbeVerdict verdict_;
    RouterIndex stopped_by_{kNoRouter};
    Instant last_sight_;  ///< at any router
    MemoryDoubt memory_;
    bool in_circles_{false};  ///< a router saw it come in more often than it was sent
};

}  // namespace

ProbeVerdict judge(const Plan& plan, std::size_t entry, std::size_t service,
                   const ProbeEvidence& evidence, const JudgeContext& context) {
    return Judge(plan, entry, service, evidence, context).run();
}

}  // namespace ksms
