// SPDX-License-Identifier: BSD-2-Clause
#include "scan/scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "bpf/attach.hpp"
#include "evidence/collector.hpp"
#include "evidence/slots.hpp"
#include "evidence/store.hpp"
#include "guard/guard.hpp"
#include "judge/summary.hpp"
#include "judge/verdict.hpp"
#include "os/process.hpp"
#include "probe/injector.hpp"
#include "probe/neighbour_resolver.hpp"
#include "probe/prober.hpp"
#include "registry/borrow.hpp"
#include "registry/lease_keeper.hpp"
#include "registry/record.hpp"
#include "retry/conntrack_quota.hpp"
#include "retry/retry.hpp"
#include "route/detour.hpp"
#include "route/next_hop.hpp"
#include "route/planner.hpp"
#include "scan/judge_context.hpp"
#include "taps/traffic.hpp"

namespace ksms {
namespace {

double milliseconds(std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / 1e6;
}

/// One scan from the lease on; its members go in the reverse order, which is the order of undoing.
class Scan {
public:
    /// @param detours  what earlier rounds have seen
    /// @param held  the lease of an earlier round
    Scan(const Objects& objects, Guard& guard, const ScanRequest& request, const ScanHooks& hooks,
         const std::vector<Detour>& detours, const std::optional<Lease>& held)
        : objects_(objects),
          guard_(guard),
          request_(request),
          hooks_(hooks),
          detours_(detours),
          held_(held),
          registry_(objects.registry, request.limits),
          names_(objects) {}

    ~Scan() {
        put_back();
        if (occupied_) static_cast<void>(registry_.vacate(lease_));
    }
    Scan(const Scan&) = delete;
    Scan& operator=(const Scan&) = delete;

    Result<Report> run() {
        started_ = monotonic_ns();
        KSMS_CHECK(plan_and_lease());
        if (hooks_.planned) KSMS_CHECK(hooks_.planned(plan_, *network_));
        const auto planned = monotonic_ns();
        KSMS_CHECK(attach());
        const auto attached = monotonic_ns();
        KSMS_TRY(auto accounts, probe());
        const auto settled = monotonic_ns();
        KSMS_TRY(auto report, judge_all(accounts));
        report.timing = {milliseconds(started_, planned), milliseconds(planned, attached),
                         milliseconds(attached, accounts.all_sent_ns),
                         milliseconds(accounts.all_sent_ns, settled), 0};
        return report;
    }

    /// Ways that were seen and not planned: routers behind them had no taps.
    [[nodiscard]] std::vector<Detour> detours() { return std::move(new_detours_); }

    /// Undoes everything. What could not be undone is in the result, and tried again.
    std::vector<Undone> put_back() {
        taps_.clear();
        drop_link_.reset();
        return guard_.undo_all();
    }

    /// Gives the lease away with the end of this round, unless it was borrowed.
    Result<std::optional<Lease>> hand_over() {
        if (occupied_) return std::nullopt;
        KSMS_CHECK(registry_.vacate(lease_));
        KSMS_CHECK(guard_.forget(claim()));
        return lease_;
    }

private:
    void stage(const char* name, std::size_t sent = 0, std::size_t accounted = 0) const {
        const auto time = monotonic_ns() - started_;
        if (hooks_.progress)
            hooks_.progress({name, sent, accounted, plan_.path_of.size(), time, 0});
    }

    std::uint16_t next_source_port() const {
        auto& config = objects_.config.values()[0];
        const auto number = __atomic_fetch_add(&config.next_source_port, 1u, __ATOMIC_RELAXED);
        return static_cast<std::uint16_t>(kFirstSourcePort + number % kSourcePorts);
    }

    Status plan_and_lease() {
        stage("plan");
        KSMS_TRY(network_, kernel_network(true, request_));
        source_port_ = next_source_port();
        KSMS_TRY(plan_, make_plan(*network_, request_, 0, source_port_, detours_));
        stage("lease");
        KSMS_CHECK(take_lease());
        if ((plan_.routed_dscps >> lease_.dscp & 1) == 0) return {};
        // A rule on the way looks at the mark: ask again with it, and remember who is led another
        // way.
        KSMS_TRY(auto marked, make_plan(*network_, request_, tos(), source_port_, detours_));
        note_dscp_routed(plan_, marked);
        plan_ = std::move(marked);
        return {};
    }

    [[nodiscard]] std::uint8_t tos() const { return static_cast<std::uint8_t>(lease_.dscp << 2); }

    [[nodiscard]] ksms_journal_entry claim() const {
        return did_lease(lease_.dscp, static_cast<std::uint32_t>(lease_.generation));
    }

    Status take_lease() {
        if (held_) {
            lease_ = *held_;
            KSMS_CHECK(guard_.will(claim()));
            return registry_.occupy(lease_);
        }
        KSMS_TRY(auto borrowed, borrow_lease(registry_, request_.job, request_.dscp));
        if (borrowed) {
            KSMS_CHECK(registry_.occupy(*borrowed));
            lease_ = *borrowed;
            occupied_ = true;
            if (hooks_.leased) hooks_.leased(lease_.dscp);
            return {};
        }
        LeaseRequest wanted;
        wanted.job = request_.job.empty() ? make_job_name() : request_.job;
        wanted.user = request_.user.empty() ? user_name() : request_.user;
        KSMS_TRY(wanted.owner, this_process());
        wanted.dscp = request_.dscp;
        // A dead scan's DSCP is free at once, its taps are gone a millisecond later.
        wanted.avoid = plan_.routed_dscps | objects_.config.values()[0].active_scans;
        KSMS_TRY(lease_, registry_.allocate(wanted, patience_for_lease(), hooks_.stop));
        KSMS_CHECK(guard_.will(claim()));
        if (hooks_.leased) hooks_.leased(lease_.dscp);
        return registry_.occupy(lease_);
    }

    /// --wait, but the deadline is for the whole scan.
    std::uint64_t patience_for_lease() const {
        if (request_.deadline_ns == 0) return request_.wait_ns;
        const auto gone = monotonic_ns() - started_;
        return std::min(request_.wait_ns,
                        request_.deadline_ns - std::min(gone, request_.deadline_ns));
    }

    Status attach() {
        stage("attach");
        slots_ = StoreSlots::of(plan_, *network_);
        const int family = request_.source.family;
        if (request_.hooks != TapHooks::netfilter) KSMS_CHECK(traffic_.look(slots_.routers));
        KSMS_CHECK(traffic_.look(slots_.hosts));
        KSMS_TRY(auto routers, ScanTaps::attach(objects_, guard_, lease_.dscp, request_.way,
                                                request_.hooks, family, traffic_, slots_.routers));
        taps_.push_back(std::move(routers));
        KSMS_TRY(auto hosts, ScanTaps::attach(objects_, guard_, lease_.dscp, request_.way,
                                              TapHooks::tc, family, traffic_, slots_.hosts));
        taps_.push_back(std::move(hosts));
        slots_.stand(taps_[0], taps_[1]);
        attach_drops();
        return {};
    }

    /// Without it the scan works, only slower: every NO waits for its timeout.
    void attach_drops() {
        const int program = objects_.program(Program::drop);
        const char* wanted = ::secure_getenv("KSMS_DROPS");
        if (program < 0 || (wanted != nullptr && std::string_view(wanted) == "off")) {
            warnings_.push_back(fmt::format(
                "drop reasons are off ({}): no reasons, and every NO takes the timeout",
                program < 0 ? "this kernel does not say why it drops packets" : "KSMS_DROPS"));
            return;
        }
        auto link = attach_tracing(program, lease_.dscp);
        if (link)
            drop_link_ = std::move(*link);
        else
            warnings_.push_back("drop reasons are off: " + link.error().text());
    }

    Result<std::unique_ptr<Sender>> open_sender(ProbeHeader header) {
        if (plan_.isolated) {
            // No socket holds it: there is no source.
            header.source_port = source_port_;
            return std::make_unique<Injector>(objects_, plan_, *network_, header);
        }
        // The one that the plan was asked with, as long as nobody has it.
        const auto next_port = [this, first = true]() mutable {
            return std::exchange(first, false) ? source_port_ : next_source_port();
        };
        return Prober::open(plan_, *network_, request_.services, header, next_port);
    }

    Result<SendRecord> probe() {
        KSMS_TRY(resolver_, Resolver::run(plan_, *network_, guard_, lease_.dscp));
        stage("probe");
        auto& config = objects_.config.values()[0];
        ProbeHeader header{request_.source,
                           request_.destination,
                           0,
                           lease_.dscp,
                           static_cast<std::uint32_t>(lease_.generation),
                           {}};
        std::ranges::copy(config.token_key, header.token_key.begin());
        KSMS_TRY(auto sender, open_sender(header));
        KSMS_TRY(auto store,
                 ScanStore::begin(objects_, guard_, sender->header(), request_.services,
                                  static_cast<std::uint32_t>(plan_.entries.size()), slots_.store));
        store_ = std::move(store);
        if (hooks_.armed) KSMS_CHECK(hooks_.armed({plan_, *network_, sender->header()}));
        const Patience patience{request_.timeout_ns,
                                request_.deadline_ns == 0 ? 0 : started_ + request_.deadline_ns,
                                request_.retries, request_.rate_pps, started_};
        LeaseKeeper keeper(registry_, lease_);
        auto quota = ConntrackQuota::of(plan_, *network_, slots_, *store_, config.active_scans);
        SoFar so_far(plan_, request_.services, Collector(plan_, slots_, *store_, names_),
                     known_beforehand(), hooks_.so_far);
        RetryLoop loop(plan_, *network_, slots_, *store_, *sender, *resolver_, names_, quota,
                       patience, {hooks_.progress, hooks_.stop}, keeper, so_far);
        KSMS_TRY(auto accounts, loop.run());
        KSMS_CHECK(keeper.look());
        return accounts;
    }

    /// A tap that somebody took away meanwhile would turn into a false verdict.
    Result<std::vector<std::string>> broken_routers() {
        KSMS_TRY(const auto missing, taps_[0].missing(slots_.routers));
        std::vector<std::string> broken(plan_.routers.size());
        for (std::size_t i = 0; i < missing.size(); ++i)
            for (std::size_t router = 0; router < plan_.routers.size(); ++router)
                if (slots_.router_slots[router] == slots_.routers_tap_slots[i])
                    broken[router] = missing[i];
        return broken;
    }

    /// Of the judge's context what is known before a probe is sent.
    JudgeContext known_beforehand() const {
        JudgeContext context;
        context.drops_seen = static_cast<bool>(drop_link_);
        context.dscp = lease_.dscp;
        tell_neighbours(plan_, resolver_->states(), context);
        return context;
    }

    Result<JudgeContext> judge_context(const SendRecord& accounts) {
        auto context = known_beforehand();
        context.interrupted = accounts.interrupted;
        context.out_of_time = accounts.out_of_time;
        KSMS_TRY(context.broken_routers, broken_routers());
        return context;
    }

    Result<Report> judge_all(const SendRecord& accounts) {
        stage("judge", accounts.packets, plan_.path_of.size() - accounts.unaccounted);
        KSMS_TRY(const auto context, judge_context(accounts));
        const Collector collector(plan_, slots_, *store_, names_);
        Summary summary(plan_, request_.services);
        ProbeEvidence evidence;
        const auto services = plan_.services();
        DetourWatch watch(*network_, plan_, request_, tos(), source_port_, detours_);
        NextHopWatch next_hops(*network_, plan_, request_, source_port_);
        for (std::uint32_t probe = 0; probe < plan_.path_of.size(); ++probe) {
            if (plan_.paths[plan_.path_of[probe]].elsewhere) continue;
            collector.collect(probe, evidence);
            if (request_.hooks == TapHooks::netfilter) KSMS_CHECK(next_hops.look(probe, evidence));
            evidence.sent = accounts.sent[probe];
            evidence.tried_again = accounts.tried_again[probe];
            evidence.undecided = accounts.undecided[probe];
            evidence.not_sent = accounts.why_not_sent(probe);
            auto verdict = judge(plan_, probe / services, probe % services, evidence, context);
            KSMS_TRY(const bool astray, watch.leads_astray(probe, verdict, evidence));
            // What the host that owns the destination got has arrived all the same.
            if (astray && evidence.destination.packets == 0) not_watched(verdict);
            summary.add(probe / services, probe % services, verdict, evidence.sent);
        }
        new_detours_ = watch.take();
        Report report;
        summary.finish(names_.words(), report);
        describe(report, accounts, context);
        return report;
    }

    void describe(Report& report, const SendRecord& accounts, const JudgeContext& context) {
        report.source = request_.source;
        report.destination = request_.destination;
        if (plan_.isolated) report.mode = "isolated";
        report.job = job_of(lease_.record);
        report.dscp = lease_.dscp;
        report.warnings = plan_.warnings;
        std::ranges::copy(warnings_, std::back_inserter(report.warnings));
        std::ranges::copy(accounts.warnings, std::back_inserter(report.warnings));
        if (accounts.interrupted) report.state = ScanState::interrupted;
        if (accounts.out_of_time) {
            report.state = ScanState::partial;
            report.warnings.emplace_back("the deadline came before every probe had its time");
        }
        for (std::size_t i = 0; i < context.broken_routers.size(); ++i) {
            if (context.broken_routers[i].empty()) continue;
            report.state = accounts.interrupted ? ScanState::interrupted : ScanState::partial;
            report.warnings.push_back(fmt::format("{}: {}; what it counted before is judged",
                                                  plan_.routers[i].netns.name(),
                                                  context.broken_routers[i]));
        }
    }

    const Objects& objects_;
    Guard& guard_;
    const ScanRequest& request_;
    const ScanHooks& hooks_;
    const std::vector<Detour>& detours_;
    const std::optional<Lease>& held_;
    std::vector<Detour> new_detours_;
    std::unique_ptr<Network> network_;
    Registry registry_;
    KernelNames names_;
    std::uint64_t started_{0};
    Plan plan_;
    std::uint16_t source_port_{0};  ///< that the plan was asked with
    Lease lease_;
    bool occupied_{false};  ///< a borrowed lease
    StoreSlots slots_;
    Traffic traffic_;
    std::vector<ScanTaps> taps_;  ///< of the routers, of the hosts
    Fd drop_link_;
    std::optional<Resolver> resolver_;
    std::optional<ScanStore> store_;
    std::vector<std::string> warnings_;
};

/// A round more where probes went on to routers that had no taps, until none does.
Result<Report> run_rounds(const Objects& objects, Guard& guard, ScanRequest request,
                          const ScanHooks& hooks) {
    constexpr int kMostRounds = 8;
    const auto deadline = request.deadline_ns == 0 ? 0 : monotonic_ns() + request.deadline_ns;
    std::vector<Detour> detours;
    std::optional<Lease> lease;
    for (int round = 1;; ++round) {
        Scan scan(objects, guard, request, hooks, detours, lease);
        auto report = scan.run();
        auto more = scan.detours();
        const auto now = monotonic_ns();
        const bool stopped = hooks.stop != nullptr && hooks.stop->load() != 0;
        const bool last =
            more.empty() || round == kMostRounds || stopped || (deadline != 0 && now >= deadline);
        if (report && last) add_warnings(scan.put_back(), report->warnings);
        if (!report || last) return report;
        KSMS_TRY(lease, scan.hand_over());
        std::ranges::move(more, std::back_inserter(detours));
        if (deadline != 0) request.deadline_ns = deadline - now;
    }
}

}  // namespace

Result<Report> run_scan(const Objects& objects, Guard& guard, const ScanRequest& request,
                        const ScanHooks& hooks) {
    const auto started = monotonic_ns();
    KSMS_CHECK(require_capabilities("a scan"));
    KSMS_TRY(const auto undone, reconcile(objects));
    auto result = run_rounds(objects, guard, request, hooks);
    if (!result) return result;
    add_warnings(undone, result->warnings);
    result->timing.total = milliseconds(started, monotonic_ns());
    return result;
}

Result<Report> run_scan(const PinRoot& root, const ScanRequest& request, const ScanHooks& hooks) {
    const auto started = monotonic_ns();
    KSMS_CHECK(require_capabilities("a scan"));
    KSMS_TRY(const auto objects, Objects::open(root));
    KSMS_TRY(auto guard, Guard::start(objects));
    auto result = run_scan(objects, guard, request, hooks);
    if (result) result->timing.total = milliseconds(started, monotonic_ns());
    return result;
}

}  // namespace ksms
