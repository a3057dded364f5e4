// SPDX-License-Identifier: BSD-2-Clause
// Random firewalls on random networks: each verdict of a scan is held against a packet of the same
// kind that was sent without ksms. scripts/fuzz runs many of them; a test run a few.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "fuzz_network.hpp"
#include "fuzz_share.hpp"
#include "fuzz_truth.hpp"
#include "lab/capture.hpp"
#include "lab/ksmsctl.hpp"
#include "lab/truth.hpp"

namespace {

using namespace ksms::fuzz;
using ksms::lab::Lab;
using ksms::lab::Scan;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

std::string endpoint(const std::string& address, int port) {
    return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                  : fmt::format("[{}]:{}", address, port);
}

/// Holds one scan against the truth, service by service and router by router.
class Comparison {
public:
    Comparison(const Lab& lab, const Network& network, Mode mode, const Entry& entry,
               const Truth& truth, const Scan& scan)
        : lab_(lab), network_(network), mode_(mode), entry_(entry), truth_(truth), scan_(scan) {}

    /// @return what differs, "" for nothing
    std::string run() {
        if (scan_.field("state") != "done") return "not done: " + scan_.text();
        for (std::size_t i = 0; i < network_.services.size(); ++i) service(i);
        return wrong_;
    }
    /// How often each verdict was right to be given, and each thing was there.
    [[nodiscard]] const std::map<std::string, int>& verdicts() const { return verdicts_; }
    [[nodiscard]] const std::map<std::string, int>& things() const { return things_; }

private:
    void complain(const std::string& what, const std::string& expected, const std::string& got) {
        wrong_ += fmt::format("{}: {}: {}, not {}\n", where_, what, got, expected);
    }
    void same(const std::string& what, const std::string& expected, const std::string& got) {
        if (expected != got) complain(what, expected, got);
    }

    [[nodiscard]] bool goes_to_router() const {
        return network_.goal == Goal::far_side || network_.goal == Goal::near_side;
    }

    /// "" where it never came. A router that delivers to itself what was meant for another has
    /// not forwarded it.
    [[nodiscard]] std::string expected(int number, const AtRouter& at) const {
        if (!at.in.there) return "";
        if (at.unknown) return "UNKNOWN";
        if (at.out.there) return "YES";
        const bool is_goal = goes_to_router() && number == network_.routers;
        return is_goal && at.accepted ? "YES" : "NO";
    }

    void service(std::size_t i) {
        service_ = i;
        const auto& [protocol, port] = network_.services[i];
        std::string stopped_at;
        bool known = true;
        for (int number = entry_.router; number <= network_.routers; ++number) {
            where_ =
                fmt::format("{}/{} from {} at {}", port, protocol, entry_.node, router(number));
            const auto& at = truth_.services[i][static_cast<std::size_t>(number)];
            const auto row = scan_.at(router(number), protocol, port, entry_.node);
            const auto verdict = expected(number, at);
            if ((mode_ == Mode::isolated || stopped_at.empty()) != at.in.there) {
                complain("the truth itself", stopped_at.empty() ? "in" : "nothing", "the other");
            } else if (verdict.empty()) {
                behind_the_stop(row, stopped_at);
            } else if (mode_ == Mode::path || !row.is_null() || !behind_the_plan(number)) {
                judged(number, at, verdict, row);
                if (verdict == "NO" && stopped_at.empty()) stopped_at = lab_.netns(router(number));
                known &= verdict != "UNKNOWN";
            }
        }
        where_ = fmt::format("{}/{} from {}, end to end", port, protocol, entry_.node);
        const auto end = scan_.end(protocol, port, entry_.node);
        // A trap that the burst set off stops what passed alone, and the other way round.
        if (is_trapped_before(network_.routers)) return;
        if (!known && stopped_at.empty()) return;
        if (!stopped_at.empty() && text(end["reason"]) == "not_sent:next-hop-missing") return;
        same("result", stopped_at.empty() ? "YES" : "NO", end["result"].get<std::string>());
        same("stopped_at", stopped_at, text(end["stopped_at"]));
        // Whether it was reached is told of all entries together.
        if (network_.second == 0 && !truth_.services[i].back().unknown)
            reached(i, stopped_at.empty());
    }

    /// A router behind a stop has a row, unless the path ends before it, or a trap keeps the scan
    /// from finding out which of two copies is the probe.
    void behind_the_stop(const nlohmann::json& row, const std::string& stopped_at) {
        if (row.is_null()) {
            if (!path_may_end() && !is_trapped_before(network_.routers))
                complain("verdict", "UNKNOWN", "no row");
            return;
        }
        same("verdict", "UNKNOWN", row["result"].get<std::string>());
        if (is_trapped_before(network_.routers)) return;
        same("reason", "stopped_before:" + stopped_at, text(row["reason"]));
    }

    void judged(int number, const AtRouter& at, const std::string& verdict,
                const nlohmann::json& row) {
        for (const auto& thing : things_at(network_, number)) ++things_[thing];
        // What a trap has stopped does not show a way that a translation leads.
        if (row.is_null() && !is_trapped_before(number)) {
            complain("verdict", verdict, "no row");
            return;
        }
        // A router before it changes what did not come to it: the plain packet does not know
        // either, and which changes matter is for a scan to say.
        if (verdict == "UNKNOWN") {
            ++verdicts_["(a plain packet knows neither)"];
            return;
        }
        if (row.is_null() || may_be_unknown(number, row)) {
            ++verdicts_["UNKNOWN behind a trap"];
            return;
        }
        if (may_be_nobody(verdict, row)) {
            ++verdicts_["UNKNOWN, no next hop"];
            return;
        }
        if (text(row["reason"]) == "not_sent:changed-before") {
            ++verdicts_["UNKNOWN, changed before"];
            return;
        }
        ++verdicts_[verdict];
        if (row["result"] != verdict) complain("verdict", verdict, row.dump());
        if (verdict != "YES" || row["result"] != "YES") return;
        // What a bridge translates is translated before the packet comes to its router.
        if (network_.elements[static_cast<std::size_t>(number)].contains(Element::bridge_nf))
            return;
        std::string remarked, translated, source;
        if (at.out.there) {
            if (at.out.dscp != at.in.dscp) remarked = std::to_string(at.out.dscp);
            if (at.out.destination != at.in.destination || at.out.port != at.in.port)
                translated = endpoint(at.out.destination, at.out.port);
            // Which port is another matter for each packet.
            if (at.out.source != at.in.source || at.out.source_port != at.in.source_port)
                source = at.out.source;
        }
        // Where no rule looks at the DSCP the scan has its own, which a router may set as well.
        if (scan_.field("carried_dscp") == network_.as_dscp)
            same("remarked", remarked, note(row, "remarked:"));
        same("translated", translated, note(row, "translated:"));
        auto from = note(row, "translated-source:");
        from = from.substr(0, from.rfind(':'));
        if (from.starts_with('[')) from = from.substr(1, from.size() - 2);
        // Two that a router translates to one destination differ in their source ports then, and
        // which of them was first depends on the order of all packets. The same does an echo that
        // comes when the scan has forgotten its connection, at a router that masquerades it.
        for (const auto& same_address : {scan_.field("source").get<std::string>(), at.in.source}) {
            if (source == same_address) source.clear();
            if (from == same_address) from.clear();
        }
        same("translated-source", source, from);
        same("local", !at.out.there && number == network_.routers ? "yes" : "no",
             has_note(row, "local") ? "yes" : "no");
    }

    /// Translated to an address that nobody has: a scan does not know who would answer.
    static bool may_be_nobody(const std::string& verdict, const nlohmann::json& row) {
        return verdict == "NO" && text(row["reason"]) == "not_sent:next-hop-missing";
    }

    /// A rule that remembers may have answered a scan's earlier packets.
    [[nodiscard]] bool may_be_unknown(int number, const nlohmann::json& row) const {
        return row["result"] == "UNKNOWN" && is_trapped_before(number);
    }

    /// Does this router, or one before it, lock a source out for this service?
    [[nodiscard]] bool is_trapped_before(int number) const {
        if (!may_set_off_traps(network_, service_)) return false;
        return std::any_of(network_.elements.begin() + 1, network_.elements.begin() + number + 1,
                           [](const auto& beside) { return beside.contains(Element::trap); });
    }

    static std::string text(const nlohmann::json& value) {
        return value.is_string() ? value.get<std::string>() : "";
    }
    static bool has_note(const nlohmann::json& row, const std::string& text) {
        for (const auto& one : row["notes"])
            if (one == text) return true;
        return false;
    }
    /// What stands behind its beginning; "" where there is none.
    static std::string note(const nlohmann::json& row, const std::string& beginning) {
        for (const auto& one : row["notes"])
            if (one.get<std::string>().starts_with(beginning))
                return one.get<std::string>().substr(beginning.size());
        return "";
    }

    [[nodiscard]] bool accepted_by_last(std::size_t i) const {
        const auto& last = truth_.services[i].back();
        return expected(network_.routers, last) == "YES";
    }

    /// The plan may end before: what lies behind is not planned.
    [[nodiscard]] bool path_may_end() const {
        return std::ranges::any_of(network_.traps, &Trap::is_planned);
    }

    /// The way that is planned ends at a router before this one.
    [[nodiscard]] bool behind_the_plan(int number) const {
        return std::any_of(network_.traps.begin(), network_.traps.begin() + number,
                           [](const Trap& trap) { return trap.is_planned(); });
    }

    void reached(std::size_t i, bool all_passed) {
        const auto& [protocol, port] = network_.services[i];
        for (const auto& row : scan_.field("destination_reached")) {
            if (row["protocol"] != protocol || row["port"] != port) continue;
            // An isolated scan has no probe for the last router where its plan ends before, and
            // none of those that a router before it would make another packet of.
            const auto last = scan_.at(router(network_.routers), protocol, port, entry_.node);
            if (mode_ == Mode::isolated &&
                (behind_the_plan(network_.routers) ||
                 (!last.is_null() && text(last["reason"]) == "not_sent:changed-before")))
                continue;
            const bool passed = mode_ == Mode::path ? all_passed : accepted_by_last(i);
            const bool arrived = goes_to_router() ? passed : truth_.reached[i];
            // A router that no way leads to is not known to be the destination.
            if (goes_to_router() && !arrived && row["reached"].is_null() && path_may_end())
                continue;
            if (network_.goal != Goal::nobody)
                same("reached", arrived ? "true" : "false", row["reached"].dump());
            if (network_.goal == Goal::nobody) same("reached", "null", row["reached"].dump());
        }
    }

    const Lab& lab_;
    const Network& network_;
    Mode mode_;
    const Entry& entry_;
    const Truth& truth_;
    const Scan& scan_;
    std::size_t service_{0};  ///< that is compared
    std::string where_, wrong_;
    std::map<std::string, int> verdicts_, things_;
};

std::string elements_of(const Network& network) {
    std::string text;
    for (int number = 1; number <= network.routers; ++number)
        for (const auto element : network.elements[static_cast<std::size_t>(number)])
            text += fmt::format("{}: {}\n", router(number), name_of(element));
    return text;
}

class Networks {
public:
    /// @return what is wrong, "" if nothing is
    std::string check(std::uint64_t seed, Mode mode) {
        auto network = random_network(seed);
        if (mode == Mode::isolated) simplify(network);
        const auto held = build(lab_, network);
        std::vector<ksms::Fd> services;
        std::vector<int> sockets;
        for (const auto& [protocol, port] : network.services)
            for (const int family : {4, 6})
                if (network.echoes && protocol == "udp") {
                    services.push_back(ksms::lab::listen_in(
                        lab_.netns("dst"), lab_.address(family, network.routers + 1, 2), "udp",
                        port));
                    sockets.push_back(services.back().get());
                }
        const auto echoing = ksms::lab::echo(std::move(sockets));
        std::string wrong;
        for (const int family : {4, 6}) wrong += check(network, family, mode);
        if (!wrong.empty())
            wrong =
                fmt::format("seed {}\n{}\n{}{}", seed, lab_.script(), elements_of(network), wrong);
        for (const auto nodes = lab_.nodes(); const auto& node : nodes) lab_.remove(node);
        return wrong;
    }
    [[nodiscard]] const std::map<std::string, int>& verdicts() const { return verdicts_; }
    [[nodiscard]] const std::map<std::string, int>& things() const { return things_; }

    [[nodiscard]] std::string script() const { return lab_.script(); }

private:
    /// The packets of the truth are sent from the bridges, and none into a tunnel.
    static void simplify(Network& network) {
        network.bridged.assign(network.bridged.size(), true);
        for (auto& elements : network.elements) elements.erase(Element::tunnel);
    }

    std::string check(const Network& network, int family, Mode mode) {
        const auto entries = entries_of(network);
        std::vector<Truth> truths;
        for (const auto& entry : entries) {
            truths.push_back(observe(lab_, network, family, mode, entry));
        }
        const std::string name = mode == Mode::path ? "path" : "isolated";
        const auto from = source(lab_, family), to = destination(lab_, network, family);
        std::vector<std::string> more{"--dscp", std::to_string(network.dscp), "--mode", name};
        // Named, it is what probes carry; otherwise they have the mark where no rule looks at it.
        if (network.as_dscp != 0) {
            more.emplace_back("--as-dscp");
            more.push_back(std::to_string(network.as_dscp));
        }
        const auto scan = ksms::lab::scan(lab_, from, to, ports(network), more);
        std::string wrong;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            Comparison comparison(lab_, network, mode, entries[i], truths[i], scan);
            wrong += comparison.run();
            for (const auto& [verdict, count] : comparison.verdicts()) verdicts_[verdict] += count;
            for (const auto& [thing, count] : comparison.things()) things_[thing] += count;
        }
        if (wrong.empty()) return {};
        return fmt::format("{}ksmsctl scan -s {} -d {} -P {} {}\n{}\n", wrong, from, to,
                           ports(network), fmt::join(more, " "), scan.text());
    }

    Lab lab_;
    std::map<std::string, int> verdicts_, things_;
};

/// Network n of a run has the seed `seed + n`, so that one can be had by itself.
void fuzz(std::uint64_t seed, std::uint64_t count, Mode mode) {
    Networks networks;
    std::uint64_t failed = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        std::string wrong;
        try {
            wrong = networks.check(seed + i, mode);
        } catch (const std::exception& error) {
            std::fputs(networks.script().c_str(), stderr);
            FAIL(fmt::format("seed {}: {}", seed + i, error.what()));
        }
        failed += wrong.empty() ? 0 : 1;
        std::fputs(wrong.c_str(), stderr);  // as it is: INFO() would break the lines
        INFO("seed " << seed + i << ": see standard error");
        CHECK(wrong.empty());
        if (failed == 10) break;
    }
    const auto& verdicts = networks.verdicts();
    int rows = 0;
    for (const auto& [verdict, times] : verdicts) rows += times;
    const auto print = [&](const char* what, int times) {
        std::printf("%-30s %6d rows %5.1f %%\n", what, times, 100.0 * times / std::max(rows, 1));
    };
    for (const auto& [verdict, times] : verdicts) print(verdict.c_str(), times);
    for (const auto& thing : all_things()) {
        const auto found = networks.things().find(thing);
        print(thing.c_str(), found == networks.things().end() ? 0 : found->second);
    }
    CHECK(verdicts.contains("YES"));
    CHECK(verdicts.contains("NO"));
}

TEST_CASE("random networks: every verdict is what a plain packet met") {
    fuzz(1, 12, Mode::path);
}

TEST_CASE("random networks: every router answers for itself as for a plain packet") {
    fuzz(101, 8, Mode::isolated);
}

/// Two isolated routers' packet was sent twice for a look; a SYN translated both ways and remarked
/// was not known; a tunnel's outer packet was the packet; a trap hid what the next router is given;
/// two sources' ways to one router gave it one packet; a router without taps lay between two
/// others.
TEST_CASE("random networks: what was told wrongly once") {
    const std::uint64_t seed = GENERATE(652364, 652523, 676110, 676403, 676561, 763049);
    const auto mode = GENERATE(Mode::path, Mode::isolated);
    const auto wrong = Networks().check(seed, mode);
    std::fputs(wrong.c_str(), stderr);
    INFO("seed " << seed << ": see standard error");
    CHECK(wrong.empty());
}

TEST_CASE("many random networks", "[.fuzz]") {
    const auto seed = number_from("KSMS_FUZZ_SEED", 1), count = number_from("KSMS_FUZZ_COUNT", 300);
    for (const Mode mode : {Mode::path, Mode::isolated}) fuzz(seed, count, mode);
}

}  // namespace
