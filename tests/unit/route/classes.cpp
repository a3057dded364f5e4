// SPDX-License-Identifier: BSD-2-Clause
#include "route/classes.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "plan/fake_network.hpp"
#include "route/firewall_survey.hpp"
#include "route/planner.hpp"

namespace {

using namespace ksms;
using namespace ksms::test;

std::vector<Service> tcp(std::uint16_t first, std::uint16_t last) {
    std::vector<Service> services;
    for (std::uint32_t port = first; port <= last; ++port)
        services.push_back({IPPROTO_TCP, static_cast<std::uint16_t>(port)});
    return services;
}

std::vector<std::uint32_t> classes_of(const std::vector<Service>& services,
                                      const std::vector<PortQuestion>& questions) {
    ServiceClasses classes(services);
    classes.refine(questions);
    return classes.classes();
}

TEST_CASE("classes: ports that no question tells apart are one class") {
    const auto services = tcp(1, 8);
    using Numbers = std::vector<std::uint32_t>;
    CHECK(classes_of(services, {}) == Numbers(8, 0));
    CHECK(classes_of(services, {{IPPROTO_TCP, {{3, 4}}}}) == Numbers{0, 0, 1, 1, 0, 0, 0, 0});
    CHECK(classes_of(services, {{IPPROTO_UDP, {{3, 4}}}}) == Numbers(8, 0));
    CHECK(classes_of(services, {{0, {{3, 4}}}}) == Numbers{0, 0, 1, 1, 0, 0, 0, 0});
    // One question, two places: the ports there are alike.
    CHECK(classes_of(services, {{0, {{2, 2}, {4, 4}}}}) == Numbers{0, 1, 0, 1, 0, 0, 0, 0});
    // Two questions are two answers.
    CHECK(classes_of(services, {{0, {{2, 2}}}, {0, {{4, 4}}}}) == Numbers{0, 1, 0, 2, 0, 0, 0, 0});
    CHECK(classes_of(services, {{0, {{1, 4}}}, {0, {{3, 6}}}}) == Numbers{0, 0, 1, 1, 2, 2, 3, 3});
    // The same question twice, and one whose places overlap.
    CHECK(classes_of(services, {{0, {{3, 4}}}, {0, {{3, 4}}}}) == Numbers{0, 0, 1, 1, 0, 0, 0, 0});
    CHECK(classes_of(services, {{0, {{2, 4}, {3, 5}}}}) == Numbers{0, 1, 1, 1, 1, 0, 0, 0});
    CHECK(classes_of(services, {{0, {{4, 3}}}}) == Numbers(8, 0));
}

TEST_CASE("classes: each protocol has its own") {
    const std::vector<Service> services{{IPPROTO_TCP, 53}, {IPPROTO_UDP, 53}, {IPPROTO_TCP, 54}};
    CHECK(classes_of(services, {}) == std::vector<std::uint32_t>{0, 1, 0});
    CHECK(classes_of(services, {{IPPROTO_UDP, {{53, 53}}}}) == std::vector<std::uint32_t>{0, 1, 0});
    CHECK(classes_of(services, {{IPPROTO_TCP, {{53, 53}}}}) == std::vector<std::uint32_t>{0, 1, 2});
}

/// Each port of each question by itself, compared with all others.
TEST_CASE("classes: random questions against a comparison port by port") {
    std::mt19937 random(7);
    const auto below = [&](std::uint32_t limit) {
        return static_cast<std::uint16_t>(random() % limit);
    };
    const auto services = tcp(1, 400);
    for (int run = 0; run < 200; ++run) {
        std::vector<PortQuestion> questions(below(12));
        for (auto& question : questions)
            for (int spans = 1 + below(4); spans > 0; --spans) {
                const auto first = below(420);
                question.ports.push_back({first, static_cast<std::uint16_t>(first + below(30))});
            }
        const auto classes = classes_of(services, questions);
        std::map<std::vector<bool>, std::uint32_t> by_answers;
        for (std::size_t i = 0; i < services.size(); ++i) {
            std::vector<bool> answers;
            for (const auto& question : questions)
                answers.push_back(std::ranges::any_of(question.ports, [&](const PortSpan& span) {
                    return span.first <= services[i].port && services[i].port <= span.last;
                }));
            const auto [known, fresh] = by_answers.try_emplace(answers, classes[i]);
            REQUIRE(known->second == classes[i]);
        }
        const std::set<std::uint32_t> different(classes.begin(), classes.end());
        REQUIRE(different.size() == by_answers.size());
    }
}

/// src - r1 - dst
struct Line {
    FakeNetwork network;
    std::size_t src{network.node("src", false)}, r1{network.node("r1", true)},
        dst{network.node("dst", false)};
    ScanRequest request;

    Line() {
        const auto at_src = network.interface(src, "eth1", "veth", {"10.0.1.1/24"});
        const auto at_r1 = network.interface(r1, "eth0", "veth", {"10.0.1.2/24"});
        const auto out = network.interface(r1, "eth1", "veth", {"10.0.2.1/24"});
        const auto at_dst = network.interface(dst, "eth0", "veth", {"10.0.2.2/24"});
        network.wire(src, at_src, r1, at_r1);
        network.wire(r1, out, dst, at_dst);
        network[src].routes.push_back({net("0.0.0.0/0"), at_src, "10.0.1.2"});
        request.source = ip("10.0.1.1");
        request.destination = ip("10.0.2.2");
        request.services = tcp(1, 100);
        request.classes = true;
    }
    AnswerClasses classes() {
        auto plan = make_plan(network, request, 0, 33000);
        REQUIRE(plan);
        survey_firewalls(network, request, *plan);
        return classes_on_the_way(network, request, *plan);
    }
    /// Of all 100 services.
    std::size_t count() {
        const auto found = classes().class_of;
        return std::set<std::uint32_t>(found.begin(), found.end()).size();
    }
};

TEST_CASE("classes: what every namespace on the way asks") {
    Line line;
    CHECK(line.count() == 1);
    line.network[line.r1].ports.questions = {{IPPROTO_TCP, {{22, 22}}}};
    CHECK(line.count() == 2);
    line.network[line.src].ports.questions = {{IPPROTO_TCP, {{80, 80}}}};
    CHECK(line.count() == 3);
    line.network[line.dst].ports.questions = {{IPPROTO_TCP, {{90, 90}}}};
    CHECK(line.count() == 4);
    RoutingRule rule;
    rule.port_first = rule.port_last = 25;
    line.network[line.r1].rules.push_back(rule);
    CHECK(line.count() == 5);
}

TEST_CASE("classes: what may tell ports apart makes each service its own") {
    Line line;
    std::string why;
    SECTION("a rule that cannot be read") {
        line.network[line.r1].ports.unread = "inet t f handle 7";
        why = "r1: inet t f handle 7 may tell ports apart";
    }
    SECTION("a filter or a program") {
        line.network[line.r1].sorts = true;
        why = "a filter or a program on the way may tell ports apart";
    }
    SECTION("a bond") {
        line.network.interface(line.r1, "bond0", "bond");
        why = "r1: bond0 (bond) may tell ports apart";
    }
    SECTION("a rule that answers by the packets before") {
        line.network[line.r1].firewall.lists.push_back({{}, "", true, true, true, true, "r"});
        why = "a rule on the way answers by the packets before";
    }
    SECTION("a route with several next hops") {
        line.network[line.r1].several = true;
        why = "r1: a route with several next hops may choose by port";
    }
    const auto classes = line.classes();
    CHECK(classes.each_alone == why);
    CHECK(std::set<std::uint32_t>(classes.class_of.begin(), classes.class_of.end()).size() == 100);
}

/// `ip rule add dport 0x96/0x1ff`: Linux 6.15 compares some bits of a port.
TEST_CASE("classes: a routing rule that compares some bits of a port") {
    Line line;
    RoutingRule rule;
    rule.port_first = rule.port_last = 6;
    rule.port_mask = 0xf;
    line.network[line.r1].rules.push_back(rule);
    const auto classes = line.classes().class_of;
    for (std::size_t i = 0; i < classes.size(); ++i)
        CHECK((classes[i] == classes[5]) == ((line.request.services[i].port & 0xf) == 6));
}

/// A tunnel that is down carries nothing.
TEST_CASE("classes: an interface that is down tells nothing apart") {
    Line line;
    const auto index = line.network.interface(line.r1, "gre0", "gre");
    line.network.link(line.r1, index).up = false;
    CHECK(line.count() == 1);
}

}  // namespace
