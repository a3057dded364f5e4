// SPDX-License-Identifier: BSD-2-Clause
#include "scan/verdict.hpp"

#include <fmt/format.h>
#include <algorithm>

#include "scan/answer_text.hpp"
#include "scan/changes.hpp"
#include "scan/delivery.hpp"
#include "scan/drop_text.hpp"
#include "scan/dropped_behind.hpp"
#include "scan/end_to_end.hpp"
#include "scan/stop_text.hpp"
#include "scan/walk.hpp"

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
          probe_(entry * plan.services() + service),
          service_(static_cast<std::uint32_t>(service)),
          path_(plan.paths[plan.path_of[probe_]]) {}

    ProbeVerdict run() {
        if (went_astray()) return nothing_judged();
        const auto steps = walk(plan_, entry_, path_, evidence_);
        for (const auto& router : evidence_.routers) {
            last_sight_ = std::max({last_sight_, router.in.last_ns, router.out.last_ns});
            in_circles_ |= router.in.packets > evidence_.sent;
        }
        for (std::size_t at = 0; at < steps.size(); ++at) {
            const bool later_seen = std::any_of(
                steps.begin() + static_cast<long>(at) + 1, steps.end(), [&](const WalkStep& step) {
                    const auto& later = evidence_.routers[step.router];
                    return later.in.packets > 0 || later.out.packets > 0;
                });
            judge_router(steps[at],
                         later_seen ||
                             (plan_.isolated && seen_beside(evidence_, steps[at].router)) ||
                             evidence_.destination.packets > 0,
                         at + 1 == steps.size());
        }
        return conclude();
    }

private:
    /// It left the source by another interface than a real packet: what became of it says nothing.
    bool went_astray() const {
        return path_.leaves.ifindex != 0 && evidence_.source.packets > 0 &&
               evidence_.source.ifindex != path_.leaves.ifindex;
    }

    ProbeVerdict nothing_judged() {
        const auto why = astray_text(plan_.entries[entry_], path_, evidence_.source.ifindex);
        for (const auto& hop : path_.hops) {
            if (std::ranges::find(verdict_.walk, hop.router, &ProbeVerdict::AtRouter::router) !=
                verdict_.walk.end())
                continue;
            auto row = row_of({hop.router, hop.ingress, hop.egress, hop.local});
            unknown(row.answer, "not_sent:another way", why);
            verdict_.walk.push_back(std::move(row));
        }
        return conclude();
    }

    const std::string& name(std::size_t router) const { return plan_.routers[router].netns.name(); }

    ProbeVerdict::AtRouter row_of(const WalkStep& step) const {
        ProbeVerdict::AtRouter row;
        row.router = step.router;
        const auto& injection = plan_.entries[entry_].injection;
        row.hop = injection ? injection->hop : static_cast<std::uint32_t>(verdict_.walk.size() + 1);
        row.ingress_iface = step.ingress.name;
        row.egress_iface = step.egress.name;
        auto& answer = row.answer;
        answer.service = service_;
        const auto& seen = evidence_.routers[step.router];
        answer.ingress_packets = static_cast<std::uint32_t>(seen.in.packets);
        answer.ingress_bytes = static_cast<std::uint32_t>(seen.in.bytes);
        answer.egress_packets = static_cast<std::uint32_t>(seen.out.packets);
        answer.egress_bytes = static_cast<std::uint32_t>(seen.out.bytes);
        answer.strangers = seen.in.strangers + seen.out.strangers;
        return row;
    }

    void judge_router(const WalkStep& step, bool seen_behind, bool last) {
        auto row = row_of(step);
        auto& answer = row.answer;
        const auto& seen = evidence_.routers[step.router];
        const bool came = seen.in.packets > 0 || seen.out.packets > 0;
        if (!stopped_at_.empty() && !(in_circles_ && seen.out.packets > 0)) {
            answer.stopped_before = true;
            answer.reason = stopped_before_;
        } else if (came) {
            came_in(step, seen, seen_behind, last, answer);
        } else if (seen.drop.count > 0) {
            no(answer, step, seen.drop);
        } else {
            never_came(answer, step.router, seen_behind);
        }
        if (answer.result == Verdict::no) {
            stopped_at_ = name(step.router);
            stopped_before_ = "stopped_before:" + stopped_at_;
        }
        verdict_.walk.push_back(std::move(row));
    }

    void came_in(const WalkStep& step, const RouterEvidence& seen, bool seen_behind, bool last,
                 ServiceAtRouter& answer) {
        if (seen.out.packets > 0) {
            went_out(step, seen, seen_behind, last, answer);
        } else if (seen_behind) {
            answer.result = Verdict::yes;  // a foreign program hid it from the egress tap; it is
                                           // behind this router
        } else if (step.local) {
            delivered(step, seen, answer);
        } else if (seen.answer == kSynAck && seen.drop.count < seen.in.packets) {
            proxied(step, seen, answer);
        } else if (seen.drop.count > 0 && !seen.drop.neighbour) {
            no(answer, step, seen.drop);
        } else if (is_broken(step.router)) {
            taps_gone(answer, step.router);
        } else if (context_.missing_gateways.contains({step.router, step.egress.ifindex})) {
            gateway_missing(answer, step);
        } else if (seen.drop.count == 0 && context_.cut_short()) {
            ended_before(answer);
        } else {
            no(answer, step, seen.drop);
        }
    }

    /// Consumed without a drop, and answered in the destination's place: the router stopped
    /// nothing, and what it does once a handshake is complete no SYN tells.
    void proxied(const WalkStep& step, const RouterEvidence& seen, ServiceAtRouter& answer) {
        note(answer, "synproxy");
        answer.answer = seen.answer;
        unknown(answer, "lost",
                name(step.router) +
                    ": answered in the destination's place (a SYN proxy, or redirected to the "
                    "router itself); what is behind is not known");
    }

    void went_out(const WalkStep& step, const RouterEvidence& seen, bool seen_behind, bool last,
                  ServiceAtRouter& answer) {
        if (seen.unresolved && !seen_behind) {
            gateway_missing(answer, step);
            return;
        }
        if (dropped_behind(seen, evidence_.sent, in_circles_, last_sight_, seen_behind)) {
            no(answer, step, seen.drop);
            return;
        }
        answer.result = Verdict::yes;
        limit_note(seen, answer);
        for (const auto& change : change_notes(seen)) note(answer, change);
        if (last && context_.faked_neighbours.contains({step.router, step.egress.ifindex}))
            note(answer, "neighbour-faked");
    }

    void gateway_missing(ServiceAtRouter& answer, const WalkStep& step) {
        note(answer, "next-hop-missing");
        unknown(answer, "not_sent:next-hop-missing",
                fmt::format("{}: the next hop on {} does not answer", name(step.router),
                            step.egress.name));
    }

    /// Stopped in the burst, passed alone.
    void limit_note(const RouterEvidence& seen, ServiceAtRouter& answer) {
        if (evidence_.tried_again > 0 && seen.drop.reason == "NETFILTER_DROP")
            note(answer, "rate-limited");
    }

    /// The router itself is the destination: what the kernel did not drop, it accepted.
    void delivered(const WalkStep& step, const RouterEvidence& seen, ServiceAtRouter& answer) {
        note(answer, "local");
        const auto delivery = delivery_of(seen.in, seen.drop, seen.answer, context_.drops_seen);
        if (evidence_.tried_again > 0 && seen.in.packets > seen.drop.count) {
            answer.result = Verdict::yes;
            limit_note(seen, answer);
        } else if (delivery == Delivery::refused) {
            no(answer, step, seen.drop);
        } else if (seen.drop.count == 0 && seen.answer.empty() && context_.cut_short()) {
            ended_before(answer);
        } else if (delivery == Delivery::unknown) {
            unknown(
                answer, "lost",
                fmt::format("{}: came in, and nobody says what became of it{}{}", name(step.router),
                            seen.answer.empty() ? "" : "; answered: ", seen.answer.text()));
        } else {
            answer.result = Verdict::yes;
            if (delivery == Delivery::unheard) note(answer, "no-listener");
            delivered_ = delivery_text(delivery, seen.drop, seen.answer);
            verdict_.why = name(step.router) + ": " + delivered_;
        }
    }

    void never_came(ServiceAtRouter& answer, std::size_t router, bool seen_behind) {
        if (!evidence_.not_sent.empty()) {
            unknown(answer, "not_sent:" + evidence_.not_sent, "not sent: " + evidence_.not_sent);
        } else if (!plan_.isolated && evidence_.source_drop.count > 0 && verdict_.walk.empty()) {
            source_dropped(answer);
        } else if (is_broken(router)) {
            taps_gone(answer, router);
        } else if (seen_behind) {
            unknown(answer, "not_sent:past-its-taps",
                    name(router) + ": its taps saw none, and it was seen behind");
        } else if (entry_ < context_.source_gateway_missing.size() &&
                   context_.source_gateway_missing[entry_] && verdict_.walk.empty()) {
            note(answer, "next-hop-missing");
            unknown(answer, "not_sent:next-hop-missing",
                    fmt::format("the gateway of {} does not answer",
                                plan_.entries[entry_].netns.name()));
        } else if (evidence_.segment_drop.count > 0) {
            const auto& drop = evidence_.segment_drop;
            note(answer, "dropped-before-router");
            unknown(answer, "lost",
                    fmt::format("dropped on the link before {}: {}", name(router),
                                drop_text(drop, hook_name(drop.hook))));
        } else if (context_.cut_short()) {
            ended_before(answer);
        } else {
            unknown(answer, "lost",
                    fmt::format("lost: sent {} time{}, {} saw none", evidence_.sent,
                                evidence_.sent == 1 ? "" : "s", name(router)));
        }
    }

    void source_dropped(ServiceAtRouter& answer) {
        const auto& drop = evidence_.source_drop;
        if (drop.reason == "NETFILTER_DROP") note(answer, "source-firewall");
        const auto what = drop_text(drop, hook_name(drop.hook));
        unknown(answer, "not_sent:" + (drop.reason.empty() ? what : drop.reason.text()),
                fmt::format("{} itself dropped it: {}", plan_.entries[entry_].netns.name(), what));
    }

    bool is_broken(std::size_t router) const {
        return router < context_.broken_routers.size() && !context_.broken_routers[router].empty();
    }

    /// What was counted counts; what was not may have passed a place where a tap had stood.
    void taps_gone(ServiceAtRouter& answer, std::size_t router) {
        note(answer, "taps-gone");
        unknown(answer, "not_sent:taps-gone",
                fmt::format("{}: {}", name(router), context_.broken_routers[router]));
    }

    void ended_before(ServiceAtRouter& answer) {
        if (context_.interrupted)
            unknown(answer, "not_sent:interrupted", "interrupted before the answer was certain");
        else
            unknown(answer, "not_sent:deadline", "the deadline came before the answer was certain");
    }

    void no(ServiceAtRouter& answer, const WalkStep& step, const DropEvidence& drop) {
        if (evidence_.undecided && drop.reason == "NETFILTER_DROP") {
            note(answer, "rate-limited");
            unknown(answer, "lost",
                    name(step.router) +
                        ": its firewall limits rates; no time was left to try this one alone");
            return;
        }
        answer.result = Verdict::no;
        answer.reason = drop.reason;
        answer.place = drop.place;
        answer.hook = hook_name(drop.hook);
        const auto& sent_back = evidence_.routers[step.router].answer;
        answer.answer = sent_back;
        if (is_rejected(drop, sent_back)) note(answer, "rejected");
        // Back the way it came, the kernel's packet looks the same at both.
        const bool hairpin =
            step.ingress.ifindex != 0 && step.ingress.ifindex == step.egress.ifindex;
        const std::string hook =
            answer.hook.empty() && hairpin ? "FORWARD or POSTROUTING" : answer.hook.text();
        const auto text = stop_text(drop, hook, path_, step.router);
        verdict_.why =
            fmt::format("{}: {}{}{}", name(step.router), in_circles_ ? "a routing loop, " : "",
                        text, rejected_text(drop, sent_back));
        verdict_.answer = answer.answer;
        verdict_.reason = answer.reason;
        verdict_.place = answer.place;
        verdict_.hook = answer.hook;
    }

    void unknown(ServiceAtRouter& answer, const std::string& reason, const std::string& why) {
        answer.result = Verdict::unknown;
        answer.reason = reason;
        if (!verdict_.reason.empty()) return;  // the first router that does not know says why
        verdict_.reason = reason;
        verdict_.why = why;
    }

    void note(ServiceAtRouter& answer, const std::string& text) {
        answer.notes.push_back(text);
        if (std::ranges::find(verdict_.notes, text) == verdict_.notes.end())
            verdict_.notes.push_back(text);
    }

    ProbeVerdict conclude() {
        end_to_end(plan_, probe_, evidence_, context_, delivered_, verdict_);
        return std::move(verdict_);
    }

    const Plan& plan_;
    std::size_t entry_;
    const ProbeEvidence& evidence_;
    const JudgeContext& context_;
    std::size_t probe_;
    std::uint32_t service_;
    const PlanPath& path_;
    ProbeVerdict verdict_;
    std::string stopped_at_, stopped_before_;
    std::string delivered_;        ///< what became of it where a router is the destination
    std::uint64_t last_sight_{0};  ///< at any router
    bool in_circles_{false};       ///< a router saw it come in more often than it was sent
};

}  // namespace

ProbeVerdict judge(const Plan& plan, std::size_t entry, std::size_t service,
                   const ProbeEvidence& evidence, const JudgeContext& context) {
    return Judge(plan, entry, service, evidence, context).run();
}

}  // namespace ksms
