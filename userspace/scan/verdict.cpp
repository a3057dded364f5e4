// SPDX-License-Identifier: BSD-2-Clause
#include "scan/verdict.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "scan/drop_text.hpp"
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
            judge_router(steps[at], later_seen || evidence_.destination.packets > 0,
                         at + 1 == steps.size());
        }
        end_to_end();
        return std::move(verdict_);
    }

private:
    /// It left the source by another interface than a real packet: what became of it says nothing.
    bool went_astray() const {
        return path_.leaves.ifindex != 0 && evidence_.source.packets > 0 &&
               evidence_.source.ifindex != path_.leaves.ifindex;
    }

    ProbeVerdict nothing_judged() {
        const auto& interfaces = plan_.entries[entry_].interfaces;
        const auto by =
            std::ranges::find(interfaces, evidence_.source.ifindex, &PlanInterface::ifindex);
        const auto why =
            fmt::format("{} sent it by {}, its routes say {}", plan_.entries[entry_].netns.name(),
                        by == interfaces.end() ? std::string("another interface") : by->name,
                        path_.leaves.name);
        for (const auto& hop : path_.hops) {
            if (std::ranges::find(verdict_.walk, hop.router, &ProbeVerdict::AtRouter::router) !=
                verdict_.walk.end())
                continue;
            auto row = row_of({hop.router, hop.ingress, hop.egress, hop.local});
            unknown(row.answer, "not_sent:another way", why);
            verdict_.walk.push_back(std::move(row));
        }
        end_to_end();
        return std::move(verdict_);
    }

    const std::string& name(std::size_t router) const { return plan_.routers[router].netns.name(); }

    ProbeVerdict::AtRouter row_of(const WalkStep& step) const {
        ProbeVerdict::AtRouter row;
        row.router = step.router;
        row.hop = static_cast<std::uint32_t>(verdict_.walk.size() + 1);
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
        } else if (seen.drop.count > 0 && !seen.drop.neighbour) {
            no(answer, step, seen.drop);
        } else if (is_broken(step.router)) {
            taps_gone(answer, step.router);
        } else if (context_.missing_gateways.contains({step.router, step.egress.ifindex})) {
            note(answer, "next-hop-missing");
            unknown(answer, "not_sent:next-hop-missing",
                    fmt::format("{}: the next hop on {} does not answer", name(step.router),
                                step.egress.name));
        } else if (seen.drop.count > 0) {
            no(answer, step, seen.drop);
        } else if (context_.cut_short()) {
            ended_before(answer);
        } else {
            no(answer, step, seen.drop);
        }
    }

    void went_out(const WalkStep& step, const RouterEvidence& seen, bool seen_behind, bool last,
                  ServiceAtRouter& answer) {
        // Behind the egress tap a queueing discipline may still drop it; what was seen further on
        // was not dropped. In a loop it comes by again and again, until its TTL runs out where it
        // was seen to pass before.
        const bool each_copy =
            seen.drop.count >=
            (seen.in.packets > evidence_.sent ? evidence_.sent : seen.out.packets);
        const bool dropped_behind =
            seen.drop.count > 0 && each_copy &&
            seen.drop.at_ns >= (in_circles_ ? last_sight_ : seen.out.last_ns) &&
            (in_circles_ || !seen_behind);
        if (dropped_behind) {
            no(answer, step, seen.drop);
            return;
        }
        answer.result = Verdict::yes;
        if (seen.in.packets > 0 && seen.out.seen_dscp != seen.in.seen_dscp)
            note(answer, fmt::format("remarked:{}", seen.out.seen_dscp));
        translation_notes(seen, answer);
        if (last && context_.faked_neighbours.contains({step.router, step.egress.ifindex}))
            note(answer, "neighbour-faked");
    }

    void translation_notes(const RouterEvidence& seen, ServiceAtRouter& answer) {
        const auto& out = seen.out;
        if (!out.translated) return;
        const auto endpoint = [](const Address& address, std::uint16_t port) {
            return address.family == AF_INET6 ? fmt::format("[{}]:{}", address.text(), port)
                                              : fmt::format("{}:{}", address.text(), port);
        };
        const auto& in = seen.in;
        const bool here_destination = !in.translated || in.destination != out.destination ||
                                      in.destination_port != out.destination_port;
        const bool here_source =
            !in.translated || in.source != out.source || in.source_port != out.source_port;
        if (out.destination_translated && here_destination)
            note(answer, "translated:" + endpoint(out.destination, out.destination_port));
        if (out.source_translated && here_source)
            note(answer, "translated-source:" + endpoint(out.source, out.source_port));
    }

    /// The router itself is the destination: what the kernel did not drop, it accepted.
    void delivered(const WalkStep& step, const RouterEvidence& seen, ServiceAtRouter& answer) {
        note(answer, "local");
        if (seen.drop.count > 0 && !seen.drop.no_socket) {
            no(answer, step, seen.drop);
        } else if (seen.drop.count > 0) {
            answer.result = Verdict::yes;
            if (verdict_.why.empty())
                verdict_.why = name(step.router) + ": accepted, nobody listens";
        } else if (context_.cut_short()) {
            ended_before(answer);
        } else if (context_.drops_seen) {
            answer.result = Verdict::yes;
        } else {
            unknown(
                answer, "lost",
                name(step.router) + ": came in, and this kernel does not say what became of it");
        }
    }

    void never_came(ServiceAtRouter& answer, std::size_t router, bool seen_behind) {
        if (!evidence_.not_sent.empty()) {
            unknown(answer, "not_sent:" + evidence_.not_sent, "not sent: " + evidence_.not_sent);
        } else if (evidence_.source_drop.count > 0 && verdict_.walk.empty()) {
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
        answer.result = Verdict::no;
        answer.reason = drop.reason;
        answer.place = drop.place;
        answer.hook = hook_name(drop.hook);
        // Back the way it came, the kernel's packet looks the same at both.
        const bool hairpin =
            step.ingress.ifindex != 0 && step.ingress.ifindex == step.egress.ifindex;
        const std::string hook =
            answer.hook.empty() && hairpin ? "FORWARD or POSTROUTING" : answer.hook.text();
        const auto text =
            drop.count > 0 ? drop_text(drop, hook) : std::string("came in and did not go out");
        verdict_.why =
            fmt::format("{}: {}{}", name(step.router), in_circles_ ? "a routing loop, " : "", text);
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

    void end_to_end() {
        const auto& rows = verdict_.walk;  // also those of routers that nobody asked for
        const auto first = [&](Verdict wanted) {
            return std::ranges::find_if(
                rows, [wanted](const auto& row) { return row.answer.result == wanted; });
        };
        if (rows.empty()) {
            verdict_.result = Verdict::unknown;
            verdict_.reason = "not_sent:" + path_.detail;
            verdict_.why = path_.detail;
        } else if (const auto no = first(Verdict::no); no != rows.end()) {
            verdict_.result = Verdict::no;
            verdict_.stopped_at = name(no->router);
        } else if (const auto unknown = first(Verdict::unknown); unknown != rows.end()) {
            verdict_.result = Verdict::unknown;
            verdict_.reason = unknown->answer.reason;
        } else {
            verdict_.result = Verdict::yes;
            if (verdict_.why.empty()) verdict_.why = passing_text();
        }
        if (evidence_.sent > 1) verdict_.notes.emplace_back("retransmitted");
        if (probe_ < plan_.dscp_routed.size() && plan_.dscp_routed[probe_])
            verdict_.notes.emplace_back("dscp-routed");
        if (evidence_.destination.packets > 0)
            verdict_.reached = true;
        else if (!plan_.destination_hosts.empty())
            verdict_.reached = false;
        if (path_.end == PathEnd::local && !verdict_.walk.empty())
            verdict_.reached = verdict_.result == Verdict::yes;
    }

    /// What a YES has to tell: it was translated or remarked on its way.
    std::string passing_text() const {
        for (const auto& row : verdict_.walk) {
            for (const auto& text : row.answer.notes) {
                const auto& router = name(row.router);
                if (text.starts_with("remarked:"))
                    return fmt::format("{}: remarked to dscp {}", router, text.substr(9));
                if (text.starts_with("translated:"))
                    return fmt::format("{}: translated to {}", router, text.substr(11));
                if (text.starts_with("translated-source:"))
                    return fmt::format("{}: source translated to {}", router, text.substr(18));
            }
        }
        return {};
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
    std::uint64_t last_sight_{0};  ///< at any router
    bool in_circles_{false};       ///< a router saw it come in more often than it was sent
};

}  // namespace

ProbeVerdict judge(const Plan& plan, std::size_t entry, std::size_t service,
                   const ProbeEvidence& evidence, const JudgeContext& context) {
    return Judge(plan, entry, service, evidence, context).run();
}

}  // namespace ksms
