// SPDX-License-Identifier: BSD-2-Clause
// --classes on random networks: what was not probed is held against a scan that probes it.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "fuzz_network.hpp"
#include "lab/ksmsctl.hpp"

namespace {

using namespace ksms::fuzz;
using ksms::lab::Lab;
using nlohmann::json;

/// Rules of nftables as people write them who have many ports, most of them in vain.
class ManyPorts {
public:
    ManyPorts(Random& random, const Network& network) : random_(random), network_(network) {}

    std::string text() {
        std::string rules;
        for (int left = 2 + random_.below(6); left > 0; --left) rules += rule() + "\n";
        const auto hook = random_.any(std::vector<std::string>{"forward", "input", "prerouting"});
        return fmt::format(
            "table inet many {{\n"
            "set some {{\ntype inet_service\nflags interval\nelements = {{ {} }}\n}}\n"
            "map where {{\ntype inet_service : verdict\nelements = {{ {} : drop, {} : accept "
            "}}\n}}\n"
            "chain aside {{\n{}\n}}\nchain f {{\ntype filter hook {} priority {}\n{}}}\n}}\n",
            range(), port(), 60000 + random_.below(999), rule(), hook, random_.below(40) - 20,
            rules);
    }

private:
    int port() {
        const int base = random_.any(network_.services).port;
        return std::clamp(base + random_.below(7) - 3, 1, 65535);
    }
    std::string range() {
        const int first = port();
        return fmt::format("{}-{}", first, std::min(65535, first + 1 + random_.below(300)));
    }
    std::string protocol() { return random_.chance(50) ? "tcp" : "udp"; }
    std::string verdict() {
        return random_.any(std::vector<std::string>{"drop", "accept", "jump aside", "reject",
                                                    "meta mark set 3", "counter"});
    }
    std::string rule() {
        const auto of = protocol();
        switch (random_.below(14)) {
            case 0: return fmt::format("{} dport {} drop", of, port());
            case 1: return fmt::format("{} dport != {} accept", of, range());
            case 2: return fmt::format("{} dport {{ {}, {} }} drop", of, port(), range());
            case 3: return fmt::format("{} dport >= {} counter", of, port());
            case 4: return fmt::format("{} dport < {} meta mark set 1", of, port());
            case 5: return fmt::format("{} dport @some drop", of);
            case 6: return fmt::format("{} dport vmap @where", of);
            case 7:
                return fmt::format("{} dport vmap {{ {} : drop, {}-{} : accept }}", of, port(),
                                   61000 + random_.below(99), 61100 + random_.below(99));
            case 8:
                return fmt::format(
                    "ip saddr . {} dport {{ 10.0.0.0/8 . {}, 192.168.0.0/16 . {} }} "
                    "drop",
                    of, range(), port());
            case 9: return fmt::format("meta l4proto {{ tcp, udp }} th dport {} reject", port());
            case 10:
                return fmt::format("meta mark set {} dport map {{ {} : 1, {} : 2 }}", of, port(),
                                   62000 + random_.below(99));
            case 11:
                return fmt::format("meta mark {} {} dport {} drop", random_.below(4), of, range());
            case 12:
                return fmt::format("meta l4proto {} ct original proto-dst {} drop", of, port());
            default: return fmt::format("ip6 nexthdr {} {} dport {} drop", of, of, port());
        }
    }
    Random& random_;
    const Network& network_;
};

/// Around the ports that rules name, and a range.
std::string many_ports(Random& random, const Network& network) {
    std::set<int> ports;
    const auto add = [&](int first, int last) {
        for (int port = std::max(first, 1); port <= std::min(last, 65535); ++port)
            ports.insert(port);
    };
    for (const auto& service : network.services) add(service.port - 5, service.port + 5);
    add(8079, 8083);
    const int first = random.any(network.services).port;
    add(first - 100, first + 600);
    std::string text;
    for (const int port : ports) text += fmt::format("{}{}", text.empty() ? "" : ",", port);
    return fmt::format("T:{},U:{}", text, text);
}

using Answers = std::vector<std::string>;

/// Of many probes one may be lost, and of many drops one may not be reported. The scan says so.
bool differ(const Answers& probed, const Answers& by_class) {
    const std::string unreported = "NO null null null";
    return !std::ranges::equal(probed, by_class, [&](const auto& one, const auto& other) {
        return one == other || one.find("UNKNOWN \"lost\"") != std::string::npos ||
               one.find("UNKNOWN \"held\"") != std::string::npos ||
               (one.ends_with(unreported) &&
                other.starts_with(one.substr(0, one.size() - unreported.size()) + "NO "));
    });
}

/// What a scan says of each service: end to end, and at each router.
std::map<std::pair<std::string, int>, Answers> answers(const json& document) {
    std::map<std::pair<std::string, int>, Answers> all;
    const auto of = [](const json& row) {
        return std::pair(row["protocol"].get<std::string>(), row["port"].get<int>());
    };
    const auto add = [&](const std::string& where, const json& row) {
        all[of(row)].push_back(fmt::format("{}: {} {} {} {}", where,
                                           row["result"].get<std::string>(), row["reason"].dump(),
                                           row["place"].dump(), row["hook"].dump()));
    };
    // Of several entries one may hear an ICMP error where the other does not (icmp_ratelimit):
    // then they have no common reason.
    const bool several = document["entries"][0].is_object();
    for (const auto& row : document["services"]) {
        if (several) continue;
        add("END", row);
        all[of(row)].push_back(row["stopped_at"].dump());
    }
    for (const auto& entry : document["entries"])
        if (entry.is_object())
            for (const auto& row : entry["services"]) add(entry["entry"].get<std::string>(), row);
    for (const auto& router : document["routers"])
        for (const auto& row : router["services"])
            add(router["entry"].get<std::string>() + " " + router["name"].get<std::string>(), row);
    for (const auto& row : document["destination_reached"])
        all[of(row)].push_back("reached " + row["reached"].dump());
    return all;
}

struct Figures {
    int scans{0}, alone{0}, services{0}, by_class{0};
};

class ClassNetworks {
public:
    /// @return what is wrong, "" if nothing is
    std::string check(std::uint64_t seed, const std::string& mode) {
        auto network = random_network(seed);
        Random random(seed);
        // Each of these makes every service its own class.
        if (random.chance(85))
            for (auto& elements : network.elements)
                for (const auto alone : {Element::trap, Element::tunnel, Element::foreign_tc,
                                         Element::queue, Element::mirror_in, Element::mirror_out})
                    elements.erase(alone);
        const auto held = build(lab_, network);
        for (int number = 1; number <= network.routers; ++number)
            if (random.chance(40)) lab_.nft(router(number), ManyPorts(random, network).text());
        const auto ports = many_ports(random, network);
        std::string wrong;
        for (const int family : {4, 6}) wrong += compare(network, family, mode, ports);
        if (!wrong.empty()) wrong = fmt::format("seed {}\n{}\n{}", seed, lab_.script(), wrong);
        for (const auto nodes = lab_.nodes(); const auto& node : nodes) lab_.remove(node);
        return wrong;
    }
    Figures figures;

private:
    std::string compare(const Network& network, int family, const std::string& mode,
                        const std::string& ports) {
        const auto from = source(lab_, family), to = destination(lab_, network, family);
        std::vector<std::string> more{"--dscp", std::to_string(network.dscp), "--mode", mode};
        const auto whole = ksms::lab::scan(lab_, from, to, ports, more);
        more.emplace_back("--classes");
        const auto part = ksms::lab::scan(lab_, from, to, ports, more);
        if (whole.exit() != part.exit())
            return "the ends differ:\n" + whole.text() + "\n" + part.text() + "\n";
        if (whole.field("state") != "done") return {};
        ++figures.scans;
        figures.services += part.count("services");
        figures.by_class += part.count("by_class");
        if (part.count("by_class") == 0) ++figures.alone;
        const auto one = answers(whole.document()), other = answers(part.document());
        std::string wrong;
        for (const auto& row : part.field("services")) {
            if (row["proof"] != "class") continue;
            const auto service =
                std::pair(row["protocol"].get<std::string>(), row["port"].get<int>());
            if (differ(one.at(service), other.at(service)))
                wrong += fmt::format("{}/{}:\n{}\nprobed:\n{}\n", service.second, service.first,
                                     fmt::join(other.at(service), "\n"),
                                     fmt::join(one.at(service), "\n"));
        }
        if (wrong.empty()) return {};
        return fmt::format("{}ksmsctl scan -s {} -d {} -P {} {}\n", wrong, from, to, ports,
                           fmt::join(more, " "));
    }

    Lab lab_;
};

Figures run(std::uint64_t seed, std::uint64_t count, const std::string& mode) {
    ClassNetworks networks;
    int failed = 0;
    for (std::uint64_t i = 0; i < count && failed < 10; ++i) {
        const auto wrong = networks.check(seed + i, mode);
        failed += wrong.empty() ? 0 : 1;
        std::fputs(wrong.c_str(), stderr);
        INFO(mode << ", seed " << seed + i << ": see standard error");
        CHECK(wrong.empty());
    }
    const auto& figures = networks.figures;
    std::printf("%s: %d scans, %d of them without classes, %d services, %d by class\n",
                mode.c_str(), figures.scans, figures.alone, figures.services, figures.by_class);
    return figures;
}

TEST_CASE("random networks: a service has the answer of its class") {
    const std::string mode = GENERATE("path", "isolated");
    CHECK(run(11, 4, mode).by_class > 1000);
}

TEST_CASE("many random networks with classes", "[.fuzz]") {
    const auto number = [](const char* name, std::uint64_t otherwise) {
        const char* text = std::getenv(name);
        return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
    };
    for (const std::string mode : {"path", "isolated"})
        run(number("KSMS_FUZZ_SEED", 1), number("KSMS_FUZZ_COUNT", 300), mode);
}

}  // namespace
