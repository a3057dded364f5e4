// SPDX-License-Identifier: BSD-2-Clause
// Lookup of namespaces and processes by name; no root.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <set>
#include <string>

#include "os/descriptor_limit.hpp"
#include "os/netns.hpp"
#include "os/process.hpp"
#include "sanitized.hpp"

using namespace ksms;

TEST_CASE("namespaces: invalid names are refused, missing ones are not found") {
    for (const auto* bad :
         {"../../etc", "a/b", "..", ".", "", "-x", "pid:", "pid:0", "pid:1x", "pid:-1"}) {
        INFO(bad);
        const auto netns = Netns::open(bad);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::usage);
        CHECK_FALSE(netns.error().hint.empty());
    }
    for (const auto* gone :
         {"no-such-namespace", "pid:4194303", "/proc/4194303/ns/net", "/no/such/file"}) {
        INFO(gone);
        const auto netns = Netns::open(gone);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::not_found);
    }
}

TEST_CASE("namespaces: names in UTF-8 are accepted, control characters are not") {
    for (const auto& name :
         {std::string("av-ütf"), std::string("北京"), std::string("a b"), std::string(255, 'n')}) {
        INFO(name);
        CHECK(Netns::open(name).error().code == Code::not_found);
    }
    for (const auto& name : {std::string("a\nb"), std::string("x\x1b[31m"), std::string("\x7f"),
                             std::string(256, 'n')})
        CHECK(Netns::open(name).error().code == Code::usage);
}

/// Lowers the soft limit of descriptors for a scope.
class DescriptorLimit {
public:
    explicit DescriptorLimit(rlim_t most) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit lowered{most, before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TEST_CASE("namespaces: EMFILE is an error, never a short list") {
    SKIP_IF_SANITIZED();
    const auto cookies = [] {
        const auto found = all_netns();
        REQUIRE(found);
        std::set<std::uint64_t> all;
        for (const auto& netns : *found) all.insert(netns.cookie());
        return all;
    };
    const auto before = cookies();
    REQUIRE_FALSE(before.empty());
    std::set<std::uint64_t> listed;
    const int lowest = dup(STDIN_FILENO);
    close(lowest);
    std::size_t refused = 0;
    for (auto most = static_cast<rlim_t>(lowest);; ++most) {
        const DescriptorLimit limit(most);
        const auto found = all_netns();
        if (found) {
            for (const auto& netns : *found) listed.insert(netns.cookie());
            break;
        }
        ++refused;
        REQUIRE(found.error().err == EMFILE);
        CHECK(found.error().hint.find("RLIMIT_NOFILE allows this process " +
                                      std::to_string(most)) == 0);
    }
    CHECK(refused >= 2);
    // Others come and go meanwhile.
    const auto after = cookies();
    for (const auto cookie : before)
        if (after.contains(cookie)) CHECK(listed.contains(cookie));
}

TEST_CASE("descriptors: the soft limit is raised to the hard one and restored for children") {
    const auto soft = [] {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur;
    };
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const DescriptorLimit limit(50);
    raise_descriptor_limit();
    CHECK(soft() == before.rlim_max);
    raise_descriptor_limit();
    restore_descriptor_limit();
    CHECK(soft() == 50);
}

TEST_CASE("namespaces: a path to anything but a namespace is not found") {
    for (const std::string path : {"/etc/passwd", "/proc/self/ns/mnt", "/etc", "/etc/passwd/x",
                                   "/no/such/file", "/dev/null"}) {
        const auto netns = Netns::open(path);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::not_found);
        CHECK(netns.error().text() == "there is no network namespace at " + path);
    }
}

TEST_CASE("namespaces: opening a path has no side effects (FIFOs, devices)") {
    const auto path = "/tmp/ksmst" + std::to_string(getpid()) + "_pipe";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    // open(2) for reading would block until there is a writer.
    CHECK(Netns::open(path).error().code == Code::not_found);
    unlink(path.c_str());
}

TEST_CASE("namespaces: our own namespace is not foreign") {
    const auto own = Netns::open_path("/proc/thread-self/ns/net", "host");
    REQUIRE(own);
    CHECK_FALSE(own->stranger().value());
    CHECK_FALSE(own->has_name());
}

TEST_CASE("processes: the start time tells reused PIDs apart, comm may hold any bytes") {
    const auto self = this_process();
    REQUIRE(self);
    CHECK(self->pid == static_cast<std::uint32_t>(getpid()));
    CHECK(self->start > 0);
    CHECK(is_alive(*self));
    CHECK_FALSE(is_alive({self->pid, self->start + 1}));
    CHECK_FALSE(is_alive({4194303, 1}));
    CHECK(process_id(4194303).error().code == Code::not_found);
    CHECK_FALSE(user_name().empty());
}
