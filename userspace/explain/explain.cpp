// SPDX-License-Identifier: BSD-2-Clause
#include "explain/explain.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "base/clock.hpp"
#include "bpf/objects.hpp"
#include "explain/culprit.hpp"
#include "explain/hops.hpp"
#include "explain/job_lock.hpp"
#include "ksms/token.h"
#include "os/process.hpp"
#include "probe/probe_packet.hpp"

namespace ksms {
namespace {

constexpr int kMostProbes = 3;  // if other traffic raises the same counters

void append(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
    value = htonl(value);
    const auto* begin = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), begin, begin + sizeof value);
}

/// Matches our probe by the token, at the offset where build_probe() writes it.
NftTraceMatch match_of(const ProbeHeader& header, std::uint8_t protocol, std::uint32_t probe) {
    constexpr std::uint32_t sequence = 4, payload = 8;  // offsets in the transport header
    NftTraceMatch match;
    match.protocol = protocol;
    match.offset = protocol == IPPROTO_TCP ? sequence : payload;
    if (protocol == IPPROTO_UDP) append(match.bytes, KSMS_PAYLOAD_MAGIC);
    append(match.bytes, probe_token(header, probe));
    return match;
}

/// One probe of a service and the observations around it.
struct Observation {
    Report report;
    Watches watches;
    std::uint16_t source_port{0};
};

class Job {
public:
    Job(const PinRoot& root, const ScanRequest& request, const ExplainHooks& hooks)
        : root_(root), request_(request), hooks_(hooks), started_(monotonic()) {}

    Result<Explanation> run() {
        KSMS_CHECK(require_capabilities("a detailed analysis"));
        {
            // Installs if necessary: the lock needs a directory of the pins.
            KSMS_TRY([[maybe_unused]] const auto installed, Objects::open(root_));
        }
        if (hooks_.progress) hooks_.progress({"wait", 0, 0, 0, {}, {}});
        KSMS_TRY(const auto lock, JobLock::take(root_, request_.wait, hooks_.stop));
        result_.source = request_.source;
        result_.destination = request_.destination;
        std::optional<Error> first;
        std::size_t failed = 0;
        for (const auto& service : request_.services) {
            if (stopped()) {
                add_unknown(service, Why::interrupted);
                result_.state = ScanState::interrupted;
                continue;
            }
            const auto explained = explain(service);
            sent_.push_back(service);
            if (explained) continue;
            ++failed;
            if (!first) first = explained.error();
            add_unknown(service, Why::no_way, explained.error().text());
        }
        if (failed > 0 && result_.services.size() == failed) return std::unexpected(*first);
        result_.total = monotonic() - started_;
        return std::move(result_);
    }

private:
    [[nodiscard]] bool stopped() const {
        return hooks_.stop != nullptr && hooks_.stop->load() != 0;
    }

    Status explain(const Service& service) {
        KSMS_TRY(auto seen, observe(service));
        ServiceExplanation explained;
        explained.hops = explain_hops(of(service), seen.report, seen.watches, seen.source_port);
        for (auto& hop : explained.hops)
            if (!hop.candidates.empty()) narrow(hop, service);
        for (const auto& warning : seen.report.warnings)
            if (std::ranges::find(result_.warnings, warning) == result_.warnings.end())
                result_.warnings.push_back(warning);
        result_.state = std::max(result_.state, seen.report.state);
        explained.scan = std::move(seen.report);
        result_.services.push_back(std::move(explained));
        return {};
    }

    /// Sends more probes. Each raises the counter of the rule again, which other traffic may not.
    void narrow(HopReport& hop, const Service& service) {
        for (int probe = 1; probe < kMostProbes && hop.candidates.size() > 1 && !stopped();
             ++probe) {
            const auto again = observe(service);
            if (!again) return;
            const auto both =
                in_both(hop.candidates, candidates_at(hop.name, again->report, again->watches));
            if (!both.empty()) hop.candidates = both;
        }
        if (hop.candidates.size() > 1) return;
        hop.rule = std::move(hop.candidates.front());
        hop.candidates.clear();
        hop.rule_unknown.clear();
    }

    ScanRequest of(const Service& service) const {
        auto one = request_;
        one.services = {service};
        one.sent_before = sent_;
        one.wait -= std::min<nanoseconds>(monotonic() - started_, one.wait);
        return one;
    }

    Result<Observation> observe(const Service& service) {
        Observation seen;
        ScanHooks hooks;
        hooks.progress = hooks_.progress;
        hooks.planned = hooks_.planned;
        hooks.stop = hooks_.stop;
        hooks.armed = [&](const ArmedScan& armed) { return watch(armed, service, seen); };
        const auto request = of(service);
        auto report = run_scan(root_, request, hooks);
        for (auto& [name, watch] : seen.watches) watch.finish();
        if (!report) return std::unexpected(report.error());
        seen.report = std::move(*report);
        return seen;
    }

    Status watch(const ArmedScan& armed, const Service& service, Observation& seen) {
        seen.source_port = armed.header.source_port;
        const auto add = [&](const PlanNetns& netns) -> Status {
            if (seen.watches.contains(netns.name())) return {};
            KSMS_TRY(auto own, armed.network.netns(netns.number()).duplicate());
            seen.watches.emplace(netns.name(), Watch(std::move(own), request_.source.family));
            return {};
        };
        for (const auto& entry : armed.plan.entries) KSMS_CHECK(add(entry.netns));
        for (const auto& router : armed.plan.routers) KSMS_CHECK(add(router.netns));
        announce(seen.watches);
        std::vector<NftTraceMatch> matches;
        for (std::uint32_t probe = 0; probe < armed.plan.path_of.size(); ++probe)
            matches.push_back(match_of(armed.header, service.protocol, probe));
        for (auto& [name, watch] : seen.watches) watch.start(matches);
        return {};
    }

    void announce(const Watches& watches) {
        std::vector<std::string> fresh;
        for (const auto& [name, watch] : watches)
            if (watch.wants_trace() && announced_.insert(name).second) fresh.push_back(name);
        if (!fresh.empty() && hooks_.announce) hooks_.announce(NftTrace::table_name(), fresh);
    }

    void add_unknown(const Service& service, Why why, const std::string& text = {}) {
        ServiceExplanation none;
        const TextIndex number{1};
        none.scan.texts = {"", text};
        none.scan.services.resize(1);
        none.scan.services.front().service = service;
        none.scan.services.front().cause.why = why;
        none.scan.services.front().cause.text = number;
        none.scan.unknown = 1;
        result_.services.push_back(std::move(none));
    }

    const PinRoot& root_;
    const ScanRequest& request_;
    const ExplainHooks& hooks_;
    std::vector<Service> sent_;
    Instant started_;
    Explanation result_;
    std::set<std::string> announced_;
};

}  // namespace

Result<Explanation> run_explain(const PinRoot& root, const ScanRequest& request,
                                const ExplainHooks& hooks) {
    return Job(root, request, hooks).run();
}

}  // namespace ksms
