// SPDX-License-Identifier: BSD-2-Clause
// The lab itself: what the other tests take for the truth is what packets of nobody in particular
// meet.
#include <catch2/catch.hpp>
#include <filesystem>

#include "lab/chain.hpp"

namespace {

using namespace ksms::lab;

TEST_CASE("lab: plain packets meet the firewalls as the table of the chain says") {
    Lab lab;
    build_chain(lab);
    for (const int family : {4, 6}) {
        const auto passed = observe_chain(lab, family, chain_services());
        for (std::size_t i = 0; i < passed.size(); ++i) {
            const auto& service = chain_services()[i];
            INFO("IPv" << family << " " << service.port << "/" << service.protocol << ": "
                       << service.how);
            CHECK(passed[i] == service.passes);
        }
    }
}

TEST_CASE("lab: nothing of it is left") {
    std::string name, directory;
    {
        Lab lab;
        lab.router("r1");
        name = "/run/netns/" + lab.netns("r1");
        directory = lab.directory();
        REQUIRE(std::filesystem::exists(name));
    }
    CHECK_FALSE(std::filesystem::exists(name));
    CHECK_FALSE(std::filesystem::exists(directory));
}

}  // namespace
