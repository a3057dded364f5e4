// SPDX-License-Identifier: BSD-2-Clause
#include "retry/close_look.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "judge/closer.hpp"
#include "judge/plain.hpp"
#include "judge/trail_rows.hpp"

namespace ksms {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAllOf = 64;   // all of so many are looked at
constexpr std::size_t kSamples = 4;  // else so many of each class
constexpr nanoseconds kEach = 5ms;   // for one packet, before the next one is sent
// What was sent on and is not seen further needs no more than a softirq to be.
constexpr nanoseconds kSentOnSettles = 2ms;
// A queue of the source's own may keep it for a while.
constexpr nanoseconds kBegins = 50ms;
constexpr int kAttempts = 4;
constexpr nanoseconds kFirstPause = 40ms;  // then 120, 360

/// What a person would call another verdict.
bool tell_the_same(const ProbeVerdict& one, const ProbeVerdict& other) {
    const auto& a = one.cause;
    const auto& b = other.cause;
    return one.result == other.result && a.why == b.why && a.router == b.router &&
           a.dropped.kind == b.dropped.kind && one.notes == other.notes &&
           std::ranges::equal(one.walk, other.walk, [](const auto& x, const auto& y) {
               return x.router == y.router && x.answer.result == y.answer.result &&
                      x.answer.why == y.answer.why && x.egress_iface == y.egress_iface;
           });
}

std::vector<const Netns*> watched(const Plan& plan, const Network& network) {
    std::set<std::size_t> numbers;
    for (const auto& router : plan.routers) numbers.insert(router.netns.number());
    for (const auto& host : plan.destination_hosts) numbers.insert(host.number());
    std::vector<const Netns*> result;
    for (const auto number : numbers) result.push_back(&network.netns(number));
    return result;
}

}  // namespace

ProbeEvidence CloseLook::counted(std::uint32_t probe) const {
    ProbeEvidence evidence;
    with_.collector.collect(probe, evidence);
    sent_.tell(evidence);
    return evidence;
}

/// Which one is sent to see what becomes of this one.
std::uint32_t CloseLook::packet_of(std::uint32_t probe) const {
    const auto other = given_.find(probe);
    return other == given_.end() ? probe : other->second;
}

ProbeVerdict CloseLook::judged(std::uint32_t probe, const ProbeEvidence& evidence) const {
    const auto numbers = with_.plan.numbers();
    return judge(with_.plan, numbers.entry(probe), numbers.service(probe), evidence, with_.context);
}

void CloseLook::sort_into_classes(Turn turn) {
    classes_.clear();
    probes_ = 0;
    std::map<std::string, std::size_t> known;
    ProbeEvidence evidence;
    const auto frozen = with_.store.freeze(with_.plan.path_of.size());
    for (std::uint32_t probe = 0; probe < with_.plan.path_of.size(); ++probe) {
        if (with_.plan.paths[with_.plan.path_of[probe]].elsewhere) continue;
        if (with_.plan.turn_of(probe) != turn || found_.probes.contains(probe)) continue;
        with_.collector.collect(probe, evidence);
        sent_.tell(evidence);
        if (evidence.sent == 0) continue;
        if (is_plain(with_.plan, probe, evidence)) continue;
        auto verdict = judged(probe, evidence);
        if (!wants_trail(evidence, verdict, with_.context.assume_next_hop)) continue;
        const auto protocol = with_.store.service(probe).protocol;
        const auto [at, fresh] =
            known.try_emplace(likeness(with_.plan, probe, protocol, evidence), classes_.size());
        if (fresh) classes_.push_back({std::move(verdict), {}, 0});
        classes_[at->second].probes.push_back(probe);
        if (evidence.probe != probe) given_.emplace(probe, evidence.probe);
        ++probes_;
    }
}

Status CloseLook::send(std::uint32_t for_probe) {
    const auto probe = packet_of(for_probe);
    recorder_->forget(probe);
    if (sent_.sent[probe] < 255) {
        ++sent_.sent[probe];
        ++sent_.looked_at[probe];
    }
    ++sent_.packets;
    last_sent_ = monotonic();
    KSMS_TRY(const auto refused,
             with_.sender.send({&probe, 1}, 0, [](std::size_t) { return false; }));
    return {};
}

OwnWay CloseLook::way_of(std::uint32_t probe) const {
    const auto packet = packet_of(probe);
    return own_way(recorder_->of(packet),
                   origin_of(with_.plan, with_.plan.numbers().entry(packet)));
}

bool CloseLook::leads_to_missing_gateway(std::uint32_t probe) const {
    const auto& hops = with_.plan.paths[with_.plan.path_of[probe]].hops;
    return std::ranges::any_of(hops, [this](const PlanHop& hop) {
        return with_.context.missing_gateways.contains({hop.router, hop.egress.ifindex});
    });
}

bool CloseLook::is_settled(std::uint32_t probe) const {
    const auto way = way_of(probe);
    switch (way.end) {
        case OwnWay::End::dropped: return true;
        case OwnWay::End::not_begun: return monotonic() > last_sent_ + kBegins;
        case OwnWay::End::held:
            // Nobody waits for a gateway that is not there.
            if (leads_to_missing_gateway(probe) &&
                way.visits.back().last(TrailEvent::Kind::routed) != nullptr)
                break;
            return false;
        case OwnWay::End::sent_on:
        case OwnWay::End::accepted:
        case OwnWay::End::consumed: break;
    }
    return monotonic() > way.visits.back().events.back().at + kSentOnSettles;
}

Status CloseLook::wait_for(std::uint32_t probe, Instant until) {
    while (true) {
        KSMS_CHECK(recorder_->read());
        heard_ = monotonic();
        if (is_settled(probe) || heard_ >= until || with_.stopped()) return {};
        pause_for(100us);
    }
}

Status CloseLook::wait_for_all(const std::vector<std::uint32_t>& probes, Instant until) {
    for (const auto probe : probes) KSMS_CHECK(wait_for(probe, until));
    return {};
}

void CloseLook::be_quiet_until(Instant until) const {
    while (monotonic() < until && !with_.stopped())
        pause_for(std::min<nanoseconds>(until - monotonic(), 10ms));
}

/// A full queue may have room the next time, and a packet that nobody saw may be seen.
bool CloseLook::deserves_another(std::uint32_t probe) const {
    const auto way = way_of(probe);
    const auto* drop = way.drop();
    return drop != nullptr ? drop->is.no_room : way.end == OwnWay::End::not_begun;
}

Status CloseLook::look_at(const std::vector<std::uint32_t>& probes) {
    auto open = probes;
    auto pause = kFirstPause;
    for (int attempt = 0; attempt < kAttempts && !open.empty() && !with_.stopped(); ++attempt) {
        // What filled a queue before needs time to leave it.
        if (attempt > 0) {
            with_.clear_connections();
            be_quiet_until(monotonic() + std::exchange(pause, 3 * pause));
        }
        std::set<std::uint32_t> packets;  // one may show what becomes of several probes
        for (const auto probe : open) {
            if (with_.stopped()) break;
            if (!packets.insert(packet_of(probe)).second) continue;
            KSMS_CHECK(send(probe));
            KSMS_CHECK(wait_for(probe, monotonic() + kEach));
        }
        KSMS_CHECK(wait_for_all(open, monotonic() + with_.patience.timeout));
        std::erase_if(open, [this](std::uint32_t probe) { return !deserves_another(probe); });
    }
    KSMS_CHECK(try_below_limits(probes));
    for (const auto probe : probes) take(probe);
    return {};
}

/// What the slowest limit on the way asks to wait that may have stopped it; nothing: none has.
std::optional<LimitWait> CloseLook::stopped_by_limit(std::uint32_t probe) const {
    const auto way = way_of(probe);
    const auto* drop = way.drop();
    if (drop == nullptr) return std::nullopt;
    const auto numbers = with_.plan.numbers();
    std::optional<LimitWait> slowest;
    for (auto entry = numbers.entry(packet_of(probe)); entry <= numbers.entry(probe); ++entry) {
        const auto sent = static_cast<std::uint32_t>(numbers.probe(entry, numbers.service(probe)));
        const auto& hops = with_.plan.paths[with_.plan.path_of[sent]].hops;
        if (hops.empty()) continue;
        const auto wait =
            limit_up_to(with_.plan, sent, with_.store.service(probe),
                        {LimitPlace::Kind::router, hops.back().router}, drop->is.kind);
        if (wait && (!slowest || wait->interval > slowest->interval)) slowest = wait;
    }
    return slowest;
}

/// What a firewall that limits rates has stopped is sent once more, as slowly as its rules ask for.
Status CloseLook::try_below_limits(const std::vector<std::uint32_t>& probes) {
    const auto patience = kLimitPatience * with_.patience.timeout;
    for (const auto probe : probes) {
        if (with_.stopped()) break;
        const auto wait = stopped_by_limit(probe);
        if (!wait) continue;
        const auto limit = wait->interval;
        bool stopped = true;
        for (int tries = 0; stopped && tries < kLimitTries; ++tries) {
            // Not since it was sent: a loaded machine delivers late.
            const auto due = heard_ + quiet_before(limit);
            if (limit > patience || due > started_ + patience) {
                if (tries == 0) undecided_.insert(probe);
                break;
            }
            with_.clear_connections();
            be_quiet_until(due);
            KSMS_CHECK(send(probe));
            KSMS_CHECK(wait_for(probe, monotonic() + kFirstPause));
            stopped = stopped_by_limit(probe).has_value();
        }
        if (wait->guessed && stopped) undecided_.insert(probe);
    }
    return {};
}

SentAs CloseLook::sent_as(std::uint32_t probe) const {
    const auto& header = with_.store.header();
    return {header.carried,
            {header.source, with_.store.source_port(probe)},
            {header.destination, with_.store.service(probe).port}};
}

void CloseLook::take(std::uint32_t probe) {
    const auto way = way_of(probe);
    const auto packet = packet_of(probe);
    found_.trails.push_back(rows_of(with_.plan, probe, recorder_->of(packet), way));
    if (way.end == OwnWay::End::not_begun || recorder_->has_holes()) return;
    auto evidence = counted(probe);
    look_closer(with_.plan, probe, sent_as(packet), way, evidence);
    if (packet != probe)
        evidence.begin_at(with_.plan.paths[with_.plan.path_of[probe]].hops.front().router);
    evidence.undecided = undecided_.contains(probe);
    found_.probes.insert_or_assign(probe, std::move(evidence));
}

bool CloseLook::is_told_otherwise(std::uint32_t probe, const ProbeVerdict& counted) const {
    const auto closer = found_.probes.find(probe);
    return closer == found_.probes.end() || !tell_the_same(judged(probe, closer->second), counted);
}

Status CloseLook::look_at_samples() {
    std::vector<std::uint32_t> probes;
    for (auto& each : classes_) {
        each.looked_at =
            probes_ <= kAllOf ? each.probes.size() : std::min(each.probes.size(), kSamples);
        // The first, the last and others between.
        const auto apart = (each.probes.size() - 1) / std::max<std::size_t>(each.looked_at - 1, 1);
        for (std::size_t i = 1; i < each.looked_at; ++i)
            std::swap(each.probes[i], each.probes[i * apart]);
        probes.insert(probes.end(), each.probes.begin(),
                      each.probes.begin() + static_cast<long>(each.looked_at));
    }
    return look_at(probes);
}

/// Of the classes where a sample does not tell what the counters did.
Status CloseLook::look_at_the_rest() {
    for (auto& each : classes_) {
        const auto samples = std::span(each.probes).first(each.looked_at);
        if (samples.size() == each.probes.size() ||
            std::ranges::none_of(samples, [&](std::uint32_t probe) {
                return is_told_otherwise(probe, each.verdict);
            }))
            continue;
        const auto until =
            std::min(started_ + 10 * with_.patience.timeout, with_.patience.deadline);
        const auto rest = std::span(each.probes).subspan(each.looked_at);
        for (std::size_t at = 0; at < rest.size(); at += kAllOf) {
            const auto part = rest.subspan(at, std::min(kAllOf, rest.size() - at));
            if (monotonic() >= until || with_.stopped())
                found_.not_looked_at.insert(found_.not_looked_at.end(), part.begin(), part.end());
            else
                KSMS_CHECK(look_at({part.begin(), part.end()}));
        }
    }
    return {};
}

Result<TrailRecorder> CloseLook::start() {
    started_ = monotonic();
    const auto& header = with_.store.header();
    KSMS_TRY(auto recorder,
             TrailRecorder::start(with_.objects, with_.names, header.dscp, header.source.family,
                                  watched(with_.plan, with_.network)));
    found_.accepted_seen = recorder.sees_accepted();
    return recorder;
}

Result<std::vector<std::uint32_t>> CloseLook::run_first(const std::vector<std::uint32_t>& probes) {
    if (probes.empty() || with_.stopped()) return probes;
    KSMS_TRY(auto recorder, start());
    recorder_ = &recorder;
    for (const auto probe : probes) {
        KSMS_CHECK(send(probe));
        KSMS_CHECK(wait_for(probe, monotonic() + with_.patience.timeout));
    }
    std::vector<std::uint32_t> unknown;
    for (const auto probe : probes) {
        const auto given = counted(probe).probe;
        if (given != probe) given_.emplace(probe, given);
        // What another packet may tell otherwise.
        const bool in_doubt = deserves_another(probe) || stopped_by_limit(probe);
        if (!in_doubt) take(probe);
        if (!found_.probes.contains(probe)) unknown.push_back(probe);
    }
    with_.clear_connections();
    recorder_ = nullptr;
    return unknown;
}

Status CloseLook::run(Turn turn) {
    sort_into_classes(turn);
    if (classes_.empty() || with_.stopped()) return {};
    KSMS_TRY(auto recorder, start());
    recorder_ = &recorder;
    KSMS_CHECK(look_at_samples());
    KSMS_CHECK(look_at_the_rest());
    with_.clear_connections();
    recorder_ = nullptr;
    return {};
}

CloserEvidence CloseLook::take() {
    std::ranges::sort(found_.not_looked_at);
    return std::move(found_);
}

}  // namespace ksms
