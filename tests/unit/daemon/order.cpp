// SPDX-License-Identifier: BSD-2-Clause
// From a job to the order for its worker.
#include "daemon/order.hpp"

#include <netinet/in.h>

#include <catch2/catch.hpp>

using namespace ksms;
using namespace std::chrono_literals;

namespace {

/// Every member differs from its default.
ScanRequest unusual() {
    ScanRequest request;
    request.source = Address::parse("fd00::1").value();
    request.destination = Address::parse("fd00::2").value();
    for (std::uint16_t port = 1; port != 0; ++port) request.services.push_back({IPPROTO_UDP, port});
    request.services.push_back({IPPROTO_TCP, 22});
    request.services.push_back({IPPROTO_TCP, 21});
    request.source_netns = "näme \"1\"\n";
    request.routers = {"r1", "pid:7"};
    request.all_netns = request.entry_only = request.isolated = true;
    request.inject = {"r1:eth0"};
    request.tap = TapHooks::netfilter;
    request.timeout = 50ms;
    request.deadline = 24h;
    request.retries = 7;
    request.rate_pps = 99;
    request.job = "j";
    request.dscp = 40;
    request.user = "anna";
    request.wait = 1ns;
    request.limits = {33, 62, 1ULL << 63, 9, 10ns, 11, 12, 13, nanoseconds::max()};
    request.way = AttachWay::tcx;
    request.drops = false;
    request.sudo_uid = 1000;
    return request;
}

Job job_of(const std::string& request, uid_t uid = 1000) {
    Job job;
    job.id = "web";
    job.user = "anna";
    job.uid = uid;
    job.request = request;
    return job;
}

constexpr const char* kText =
    R"({"source":"10.0.0.1","destination":"10.0.9.1","services":"80","rate":500,"dscp":"40"})";

}  // namespace

TEST_CASE("order: every member reaches the worker") {
    const Order order{"web", "/pins", true, unusual(), {"lab-*", "b"}};
    const auto line = line_of(order);
    CHECK(std::ranges::count(line, '\n') == 1);
    CHECK(line.size() < 1000);  // 65,537 services
    const auto read = read_order(line);
    REQUIRE(read);
    CHECK(line_of(*read) == line);
    CHECK(read->request.services == order.request.services);
    CHECK(read->request.limits.longest == nanoseconds::max());
    CHECK(read->namespaces == order.namespaces);
    const auto usual = read_order(line_of({"", "", false, {}, {}}));
    REQUIRE(usual);
    CHECK_FALSE(usual->request.dscp);
    for (const char* none : {"{}", "[]", "", "[1,2,3,4,5]"}) CHECK_FALSE(read_order(none));
}

TEST_CASE("order: a stored request is parsed as it was at submission") {
    const auto order = make_order(job_of(kText), nullptr, {}, "/pins");
    REQUIRE(order);
    CHECK(order->request.source.text() == "10.0.0.1");
    CHECK(order->request.services == std::vector<Service>{{IPPROTO_TCP, 80}});
    CHECK(order->request.rate_pps == 500);
    CHECK(order->request.dscp == 40);
    CHECK(order->request.job == "ksmsd:web");
    CHECK(order->request.user == "anna");
    CHECK(order->request.wait == 0s);
    const auto read = order->request;
    CHECK(line_of(*make_order(job_of(""), &read, {}, "/pins")) == line_of(*order));
    CHECK_FALSE(make_order(job_of(""), nullptr, {}, ""));
    CHECK_FALSE(make_order(job_of("[]"), nullptr, {}, ""));
}

TEST_CASE("order: limits and allowance are those at the job's start") {
    auto read = make_order(job_of(kText), nullptr, {}, "")->request;
    Config config;
    config.limits.dscp_max = 39;
    const ScanRequest* const both[] = {&read, nullptr};
    for (const auto* request : both) {
        const auto refused = make_order(job_of(kText), request, config, "");
        REQUIRE_FALSE(refused);
        CHECK(refused.error().text().find("the configured range is 32 to 39") != std::string::npos);
    }
    config.limits = {};
    config.limits.max_jobs = 3;
    config.service.allow.rate_pps = 100;
    config.service.allow.namespaces = {"lab-*"};
    for (const auto* request : both) {
        const auto order = make_order(job_of(kText), request, config, "");
        REQUIRE(order);
        CHECK(order->request.limits.max_jobs == 3);
        CHECK(order->request.rate_pps == 100);
        CHECK(order->namespaces == std::vector<std::string>{"lab-*"});
        const auto of_root = make_order(job_of(kText, 0), request, config, "");
        CHECK(of_root->request.rate_pps == 500);
        CHECK(of_root->namespaces.empty());
    }
    config.service.allow.sources = {{Address::parse("10.9.0.0").value(), 16}};
    for (const auto* request : both) {
        const auto refused = make_order(job_of(kText), request, config, "");
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::not_allowed);
    }
}
