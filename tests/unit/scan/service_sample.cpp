// SPDX-License-Identifier: BSD-2-Clause
#include "scan/service_sample.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <catch2/catch.hpp>

namespace {

using namespace ksms;

std::vector<Service> tcp(std::uint16_t first, std::uint16_t last) {
    std::vector<Service> services;
    for (std::uint32_t port = first; port <= last; ++port)
        services.push_back({IPPROTO_TCP, static_cast<std::uint16_t>(port)});
    return services;
}

/// Ports 1 to 100; 40 to 60 are class 1, the others class 0.
struct Sampled {
    std::vector<Service> asked{tcp(1, 100)};
    std::vector<bool> each = std::vector<bool>(100, false);
    ServiceSample sample;
    Sampled() { choose(); }
    Sampled(const Sampled&) = delete;
    Sampled& operator=(const Sampled&) = delete;
    void choose() {
        std::vector<std::uint32_t> classes(100, 0);
        std::fill(classes.begin() + 39, classes.begin() + 60, 1);
        sample = ServiceSample(asked, std::move(classes), each);
    }
    bool differs(const Report& report) { return sample.add_unlike(report, each); }
    [[nodiscard]] bool has(std::uint16_t port) const {
        const auto chosen = sample.chosen();
        return std::ranges::find(chosen, Service{IPPROTO_TCP, port}) != chosen.end();
    }
    /// As one router that drops class 1 has answered.
    [[nodiscard]] Report report() const {
        Report report;
        report.entries = {"src"};
        report.router_names.push_back("r1");
        RouterReport router;
        router.name = "r1";
        for (const auto& service : sample.chosen()) {
            const bool stopped = service.port >= 40 && service.port <= 60;
            ServiceReport end;
            end.service = service;
            end.sent = 1;
            end.result = stopped ? Verdict::no : Verdict::yes;
            if (stopped) end.cause.why = Why::dropped;
            ServiceAtRouter at;
            at.service = static_cast<std::uint32_t>(report.services.size());
            at.result = end.result;
            at.ingress_packets = 1;
            report.services.push_back(end);
            router.services.push_back(at);
        }
        report.routers = {router};
        return report;
    }
    static ServiceReport& at(Report& report, std::uint16_t port) {
        return *std::ranges::find(report.services, Service{IPPROTO_TCP, port},
                                  &ServiceReport::service);
    }
};

TEST_CASE("service sample: the ends of each range, and some inside") {
    const Sampled of;
    for (const std::uint16_t end : {1, 39, 40, 60, 61, 100}) CHECK(of.has(end));
    const auto chosen = of.sample.chosen();
    const auto inside = std::ranges::count_if(
        chosen, [](const Service& each) { return each.port > 40 && each.port < 60; });
    CHECK(inside == 5);                 // of 19
    CHECK(chosen.size() == 6 + 5 + 7);  // 7 of 75
    CHECK(std::ranges::is_sorted(chosen));
}

TEST_CASE("service sample: what was not probed has its class's answer") {
    Sampled of;
    auto report = of.report();
    CHECK_FALSE(of.differs(report));
    report = of.sample.expand(std::move(report));
    REQUIRE(report.services.size() == 100);
    CHECK(report.probed == 18);
    CHECK(report.yes == 79);
    CHECK(report.no == 21);
    for (std::uint32_t i = 0; i < 100; ++i) {
        const auto& end = report.services[i];
        const auto& at = report.routers[0].services[i];
        INFO(end.service.port);
        CHECK(end.service == of.asked[i]);
        CHECK(at.service == i);
        const bool stopped = end.service.port >= 40 && end.service.port <= 60;
        CHECK(end.result == (stopped ? Verdict::no : Verdict::yes));
        CHECK(at.result == end.result);
        CHECK(end.by_class != of.has(end.service.port));
        CHECK(end.sent == (end.by_class ? 0U : 1U));
        CHECK(at.ingress_packets == end.sent);
    }
}

TEST_CASE("service sample: a class whose members differ is probed whole") {
    Sampled of;
    auto report = of.report();
    const std::uint16_t odd = GENERATE(40, 60);
    SECTION("in their result") {
        Sampled::at(report, odd).result = Verdict::yes;
    }
    SECTION("in their reason") {
        Sampled::at(report, odd).cause.hairpin = true;
    }
    SECTION("at a router") {
        auto& rows = report.routers[0].services;
        std::ranges::find_if(rows, [&](const auto& row) {
            return report.services[row.service].service.port == odd;
        })->dropped.reported = true;
    }
    SECTION("from one entry") {
        report.by_entry = {{"src", report.services}, {"other", report.services}};
        std::ranges::find(report.by_entry[1].services, Service{IPPROTO_TCP, odd},
                          &ServiceReport::service)
            ->result = Verdict::unknown;
    }
    // Cut short, nothing is known of the others.
    report.state = ScanState::partial;
    const auto cut_short = of.sample.expand(report);
    CHECK(cut_short.unknown == 21 - 7);
    CHECK(cut_short.services[49].result == (of.has(50) ? Verdict::no : Verdict::unknown));
    CHECK(of.differs(report));
    of.choose();
    for (std::uint16_t port = 40; port <= 60; ++port) CHECK(of.has(port));
    CHECK(of.sample.chosen().size() == 4 + 7 + 21);
    // They are all probed: they may differ.
    CHECK_FALSE(of.differs(of.report()));
}

/// The kernel limits ICMP errors: not each probe that is rejected hears of it.
TEST_CASE("service sample: what is rejected without a word is rejected like the others") {
    Sampled of;
    auto report = of.report();
    const Reply icmp{Reply::Kind::icmp, 3, 3}, prohibited{Reply::Kind::icmp, 3, 13};
    Sampled::at(report, 60).cause.reply = icmp;
    SECTION("one kind of reply") {
        CHECK_FALSE(of.differs(report));
        report = of.sample.expand(std::move(report));
        for (const auto& end : report.services)
            if (end.result == Verdict::no)
                CHECK(end.cause.reply == (end.by_class || end.service.port == 60 ? icmp : Reply{}));
    }
    SECTION("two kinds") {
        Sampled::at(report, 40).cause.reply = prohibited;
        CHECK(of.differs(report));
    }
}

/// Only the address is translated: each service goes to its own port.
TEST_CASE("service sample: a translated address with the service's own port") {
    Sampled of;
    auto report = of.report();
    const bool own = GENERATE(true, false);
    for (std::size_t i = 0; i < report.services.size(); ++i) {
        auto& end = report.services[i];
        Change change;
        change.destination =
            Endpoint{*Address::parse("10.0.0.1"), own ? end.service.port : std::uint16_t{8080}};
        report.changes.push_back(change);
        const auto number = static_cast<std::uint32_t>(report.changes.size() - 1);
        report.change_lists.push_back({{RouterIndex{0}, number}});
        end.changes = end.all_changes = static_cast<std::uint32_t>(report.change_lists.size() - 1);
        report.routers[0].services[i].change = number;
    }
    CHECK_FALSE(of.differs(report));
    report = of.sample.expand(std::move(report));
    for (const auto& end : report.services) {
        const std::uint16_t expected = own ? end.service.port : 8080;
        CHECK(report.changes[report.change_lists[end.changes].at(0).second].destination->port ==
              expected);
    }
    for (const auto& at : report.routers[0].services)
        CHECK(report.changes[at.change].destination->port ==
              (own ? report.services[at.service].service.port : 8080));
}

/// Who listens is no answer of a class, that a socket took a probe is one of that service.
TEST_CASE("service sample: what a socket did is told of what was probed") {
    Sampled of;
    auto report = of.report();
    for (auto& end : report.services) {
        end.arrival.by = Arrival::By::host;
        end.arrival.reached = true;
        end.arrival.delivery = end.service.port == 1 ? Delivery::taken : Delivery::unheard;
        end.notes.add(Note::no_listener);
        end.notes.add(Note::dscp_filtered);
    }
    CHECK_FALSE(of.differs(report));
    report = of.sample.expand(std::move(report));
    for (const auto& end : report.services) {
        CHECK(end.arrival.reached);
        CHECK(end.arrival.delivery ==
              (end.service.port == 1 ? Delivery::taken : Delivery::unknown));
        CHECK(end.notes.has(Note::no_listener) != end.by_class);
        CHECK(end.notes.has(Note::dscp_filtered));
    }
}

}  // namespace
