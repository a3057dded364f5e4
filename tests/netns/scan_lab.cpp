// SPDX-License-Identifier: BSD-2-Clause
// The lab itself: what the other tests take for the truth is what packets of nobody in particular
// meet.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

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

TEST_CASE("lab: nothing of it is left when its test is killed") {
    for (const int number : {SIGKILL, SIGTERM}) {
        const auto pid = ::fork();
        if (pid == 0) {
            ::signal(SIGTERM, SIG_DFL);
            const Lab lab;
            ::pause();
            ::_exit(0);
        }
        const auto directory = "/tmp/ksmst" + std::to_string(pid) + "_files";
        CHECK(eventually([&] { return std::filesystem::exists(directory); }));
        ::kill(pid, number);
        ::waitpid(pid, nullptr, 0);
        CHECK(eventually([&] { return !std::filesystem::exists(directory); }));
    }
}

}  // namespace
